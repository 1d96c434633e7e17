//! `POST /v1/rerank`, in the shape of Jina and Cohere.

use std::cmp::Ordering;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use kubemate_engine::{ModelKind, Priority};
use kubemate_identity::Scope;
use kubemate_wire::{
    rerank::{RerankDocument, RerankRequest, RerankResponse, RerankResult, RerankText},
    usage::InputUsage,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::new_id;
use crate::{
    api::{ApiError, Json as Body, caller::Caller},
    app::App,
    forward::{Door, Outgoing, forward},
    limits::Estimate,
    models::Target,
    telemetry::Chosen,
};

/// Documents of one request; Cohere takes as many.
const MAX_DOCUMENTS: usize = 1000;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Order documents by how well they answer a query.
#[utoipa::path(post, path = "/v1/rerank", tag = "embeddings", responses((status = 200, description = "Documents, best first")))]
async fn create(State(app): State<App>, caller: Caller, body: Body<RerankRequest>) -> Result<Response, ApiError> {
    caller.must(Scope::Embeddings)?;
    let request = body.value;
    if !caller.rights.allows_model(&request.model) {
        return Err(ApiError::ModelNotFound(request.model));
    }
    if request.query.is_empty() {
        return Err(ApiError::invalid("query", "`query` is empty; send the question"));
    }
    if request.top_n == Some(0) {
        return Err(ApiError::invalid("top_n", "`top_n` must be at least 1"));
    }
    if request.documents.is_empty() || request.documents.len() > MAX_DOCUMENTS {
        return Err(ApiError::invalid("documents", format!("`documents` takes 1 to {MAX_DOCUMENTS} texts")));
    }
    let target = app.routes.choose(&request.model)?;
    match target {
        Target::Remote(..) => forward(&app, &caller, Outgoing::new(Door::Rerank, &body.bytes, body.cache)?).await,
        Target::Local(name) => {
            let estimate = Estimate::new(&body.bytes, Some(0), 1).by_local(&app.local, &name);
            let mut meter = app.usage.admit(&caller, &request.model, "rerank", estimate).await?;
            meter.routed(Chosen::here(&name));
            let answer = meter.watch(rerank(&app, &name, request).await)?;
            meter.prompt(answer.usage.prompt_tokens);
            meter.answered();
            Ok(Json(answer).into_response())
        }
    }
}

async fn rerank(app: &App, name: &str, request: RerankRequest) -> Result<RerankResponse, ApiError> {
    app.local.must_be(name, ModelKind::Embedder)?;
    let documents: Vec<String> = request.documents.iter().map(|document| document.text().to_owned()).collect();
    let tokenizer = app.local.embedder(name).await?.tokenizer();
    let reranker = app.local.reranker(name).await?;
    let scores = reranker.rerank(&request.query, &documents, Priority::Interactive).await?;
    let query = request.query.clone();
    let counted = tokio::task::spawn_blocking(move || {
        tokenizer.count(&query) + documents.iter().map(|text| tokenizer.count(text)).sum::<usize>()
    });
    let tokens = counted.await.map_err(ApiError::internal)? as u64;
    Ok(RerankResponse {
        id: new_id("rerank-"),
        results: ordered(&request, &scores),
        model: request.model,
        usage: InputUsage::new(tokens),
    })
}

fn ordered(request: &RerankRequest, scores: &[f32]) -> Vec<RerankResult> {
    let mut places: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
    places.sort_by(|left, right| right.1.partial_cmp(&left.1).unwrap_or(Ordering::Equal));
    let text = |index: usize| request.documents.get(index).map(RerankDocument::text).unwrap_or_default();
    let wanted = request.return_documents.unwrap_or(false);
    let result = |(index, score): (usize, f32)| RerankResult {
        index,
        relevance_score: f64::from(score),
        document: wanted.then(|| RerankText { text: text(index).to_owned() }),
    };
    places.into_iter().take(request.top_n.unwrap_or(usize::MAX)).map(result).collect()
}
