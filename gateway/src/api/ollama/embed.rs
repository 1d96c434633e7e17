//! `POST /api/embed` and the older `POST /api/embeddings`.

use std::time::Instant;

use axum::{extract::State, response::Response};
use kubemate_wire::{
    embeddings::Vector,
    ollama::{EmbedRequest, EmbedResponse, EmbeddingRequest, EmbeddingResponse},
};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{answer, ask::Ask, json, known_as, line, speaks_ollama};
use crate::{
    api::{ApiError, Unlabelled, caller::Caller, v1},
    app::App,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(create_one))
}

/// Turn texts into vectors, in Ollama's words.
#[utoipa::path(post, path = "/api/embed", tag = "ollama", responses((status = 200, description = "Vectors")))]
async fn create(State(app): State<App>, caller: Caller, body: Unlabelled) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let request = body.0.typed::<EmbedRequest>()?.value;
    let model = request.model.clone();
    if request.input.as_slice().is_empty() {
        return json(&EmbedResponse { model, ..EmbedResponse::default() });
    }
    let made = vectors(app, caller, request).await?;
    json(&EmbedResponse {
        model,
        embeddings: made.data.into_iter().map(|one| one.embedding.values().to_vec()).collect(),
        total_duration: Some(line::nanos(begun.elapsed())),
        load_duration: None,
        prompt_eval_count: Some(made.usage.prompt_tokens),
    })
}

/// Turn one text into a vector, as older clients of Ollama ask for it.
#[utoipa::path(post, path = "/api/embeddings", tag = "ollama", responses((status = 200, description = "A vector")))]
async fn create_one(State(app): State<App>, caller: Caller, body: Unlabelled) -> Result<Response, ApiError> {
    let EmbeddingRequest { model, prompt, keep_alive, options } = body.0.typed::<EmbeddingRequest>()?.value;
    let input = kubemate_wire::input::Strings::One(prompt);
    let request = EmbedRequest { model, input, truncate: None, dimensions: None, keep_alive, options };
    let first = vectors(app, caller, request).await?.data.into_iter().next();
    json(&EmbeddingResponse { embedding: first.map(|one| one.embedding.values().to_vec()).unwrap_or_default() })
}

/// What is read of an answer; servers differ in the rest.
#[derive(Debug, Deserialize)]
struct Made {
    data: Vec<One>,
    #[serde(default)]
    usage: Tokens,
}

#[derive(Debug, Deserialize)]
struct One {
    #[serde(default)]
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Default, Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
}

async fn vectors(app: App, caller: Caller, request: EmbedRequest) -> Result<Made, ApiError> {
    let model = known_as(&app, &request.model);
    let speaks_ollama = speaks_ollama(&app, &model);
    let mut ask = Ask::new(model);
    ask.put("input", Some(request.input));
    ask.put("dimensions", request.dimensions);
    ask.put("truncate", request.truncate);
    ask.put("options", request.options.filter(|_| speaks_ollama));
    ask.put("keep_alive", request.keep_alive.filter(|_| speaks_ollama));
    let response = v1::embeddings(State(app), caller, ask.body()?.typed()?).await?;
    let mut made: Made = answer::read(response).await?;
    made.data.sort_by_key(|one| one.index);
    Ok(made)
}
