//! Who orders the best passages of a search once more: nobody, the store's own embedder, or a model of `/v1/rerank`, here
//! or on a server elsewhere.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use kubemate_corpus::Rerank;
use kubemate_engine::{EngineError, ModelIdentity, ModelKind, Priority, Reranker};
use kubemate_identity::Caller;
use kubemate_wire::{
    rerank::{RerankDocument, RerankRequest},
    vector_stores::RankingOptions,
};
use serde::Deserialize;

use crate::{
    answer_cache::Controls,
    api::ApiError,
    app::App,
    forward::{Door, Outgoing, forward},
    models::Target,
};

/// The value of `rerank` that asks for no second look.
pub(super) const NONE: &str = "none";
/// The value of `rerank` that asks for the store's own embedder.
pub(super) const OWN: &str = "own";
/// Longest answer of a reranker that is read.
const LONGEST: usize = 4 << 20;

/// What the client, or else the settings, say about a second look.
///
/// # Errors
/// `ModelNotFound` for a model that is not there or that this key may not use.
pub(super) fn chosen(app: &App, caller: &Caller, options: Option<&RankingOptions>) -> Result<Rerank, ApiError> {
    let asked = options.and_then(|options| options.rerank.as_deref());
    let config = &app.config.corpus.search;
    // OpenAI's own word for no reranking.
    let none = options.and_then(|options| options.ranker.as_deref()) == Some(NONE);
    match asked {
        Some(NONE) => Ok(Rerank::Off),
        Some(OWN) => Ok(Rerank::Own),
        Some(model) => by(app, caller, model),
        None if none || !config.rerank => Ok(Rerank::Off),
        None => config.rerank_model.as_deref().map_or(Ok(Rerank::Own), |model| by(app, caller, model)),
    }
}

fn by(app: &App, caller: &Caller, model: &str) -> Result<Rerank, ApiError> {
    if !caller.rights.allows_model(model) {
        return Err(ApiError::ModelNotFound(model.to_owned()));
    }
    if let Target::Local(name) = app.routes.choose(model)? {
        app.local.must_be(&name, ModelKind::Embedder)?;
    }
    let identity = ModelIdentity { name: model.to_owned(), revision: String::new(), dimensions: 0, context: 0 };
    Ok(Rerank::By(Arc::new(Named { app: app.clone(), caller: caller.clone(), identity })))
}

/// A model of `/v1/rerank` as a search uses it: metered and limited as if the client had called it.
#[derive(Debug)]
struct Named {
    app: App,
    caller: Caller,
    identity: ModelIdentity,
}

/// What is read of an answer; Jina, Cohere and this server agree on it.
#[derive(Debug, Deserialize)]
struct Answer {
    results: Vec<Scored>,
}

#[derive(Debug, Deserialize)]
struct Scored {
    index: usize,
    relevance_score: f32,
}

#[async_trait]
impl Reranker for Named {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    async fn rerank(&self, query: &str, documents: &[String], priority: Priority) -> Result<Vec<f32>, EngineError> {
        match self.app.routes.choose(&self.identity.name) {
            Ok(Target::Local(name)) => self.app.local.reranker(&name).await?.rerank(query, documents, priority).await,
            Ok(Target::Remote(..)) => {
                self.ask(query, documents).await.map_err(|error| told(&self.identity.name, &error))
            }
            Err(error) => Err(told(&self.identity.name, &error)),
        }
    }
}

impl Named {
    async fn ask(&self, query: &str, documents: &[String]) -> Result<Vec<f32>, ApiError> {
        let request = RerankRequest {
            model: self.identity.name.clone(),
            query: query.to_owned(),
            documents: documents.iter().cloned().map(RerankDocument::Text).collect(),
            top_n: None,
            return_documents: Some(false),
            other: serde_json::Map::new(),
        };
        let body = serde_json::to_vec(&request).map_err(ApiError::internal)?.into();
        let call = Outgoing::new(Door::Rerank, &body, Controls::default())?;
        let response = forward(&self.app, &self.caller, call).await?;
        let collected = Limited::new(response.into_body(), LONGEST).collect().await;
        let broken = |error| ApiError::Internal(anyhow::Error::from_boxed(error));
        let bytes = collected.map_err(broken)?.to_bytes();
        let answer: Answer = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
        Ok(in_order(&answer.results, documents.len()))
    }
}

/// One score per document; what the reranker left out is worse than what it named.
fn in_order(results: &[Scored], documents: usize) -> Vec<f32> {
    let scores: HashMap<usize, f32> = results.iter().map(|result| (result.index, result.relevance_score)).collect();
    let worst = scores.values().copied().min_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
    let worst = worst.unwrap_or_default();
    (0..documents).map(|index| scores.get(&index).copied().unwrap_or(worst)).collect()
}

/// A search fails when its reranker does: an order that silently is another one could not be told from the right one.
fn told(model: &str, error: &ApiError) -> EngineError {
    tracing::warn!(model.name = %model, error = %error, "a reranker failed");
    EngineError::Inference(format!("reranker `{model}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_in_the_order_of_the_documents() {
        let answer = r#"{"results": [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]}"#;
        let answer: Answer = serde_json::from_str(answer).unwrap();
        assert_eq!(in_order(&answer.results, 3), [0.2, 0.2, 0.9]);
    }
}
