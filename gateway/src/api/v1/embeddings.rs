//! `POST /v1/embeddings`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use kubemate_engine::{EmbedInput, EmbedRequest, ModelKind, Priority, Purpose};
use kubemate_identity::Scope;
use kubemate_wire::{
    embeddings::{Embedding, EmbeddingsRequest, EmbeddingsResponse, InputType, MAX_INPUTS, Vector},
    input::{Input, InputItem},
    usage::InputUsage,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answers::{relay, renamed},
    api::{ApiError, Json as Body, caller::Caller},
    app::App,
    models::{Target, cl100k},
};

/// Bytes of all texts together that one request may bring to a tokenizer.
const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Turn texts or token ids into vectors.
#[utoipa::path(post, path = "/v1/embeddings", tag = "embeddings", responses((status = 200, description = "A list of vectors")))]
async fn create(State(app): State<App>, caller: Caller, body: Body<EmbeddingsRequest>) -> Result<Response, ApiError> {
    caller.must(Scope::Embeddings)?;
    let request = body.value;
    if !caller.rights.allows_model(&request.model) {
        return Err(ApiError::ModelNotFound(request.model));
    }
    check_size(&request.input)?;
    let target = app.routes.choose(&request.model)?;
    let mut meter = app.usage.begin(&caller, &request.model, "embeddings");
    match target {
        Target::Remote(upstream, name) => {
            let bytes = renamed(&body.bytes, &request.model, &name)?;
            relay(&upstream, "/embeddings", bytes, meter).await
        }
        Target::Local(name) => {
            let answer = meter.watch(embed(&app, &name, request).await)?;
            meter.prompt(answer.usage.prompt_tokens);
            Ok(Json(answer).into_response())
        }
    }
}

async fn embed(app: &App, name: &str, request: EmbeddingsRequest) -> Result<EmbeddingsResponse, ApiError> {
    app.local.must_be(name, ModelKind::Embedder)?;
    let embedder = app.local.embedder(name).await?;
    let dimensions = embedder.identity().dimensions;
    if request.dimensions.is_some_and(|asked| asked as usize != dimensions) {
        let message = format!("model `{}` makes {dimensions} numbers, no other count", request.model);
        return Err(ApiError::unsupported("dimensions", message));
    }
    let purpose = match request.input_type {
        Some(InputType::Query) => Purpose::Query,
        Some(InputType::Passage) => Purpose::Passage,
        None => Purpose::Plain,
    };
    let texts = request.input.into_items().into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let embedded = embedder.embed(EmbedRequest { texts, purpose, priority: Priority::Interactive }).await?;
    let format = request.encoding_format.unwrap_or_default();
    let vector = |(index, values)| Embedding { index, embedding: Vector::new(values, format) };
    Ok(EmbeddingsResponse {
        data: embedded.vectors.into_iter().enumerate().map(vector).collect(),
        model: request.model,
        usage: InputUsage::new(embedded.tokens as u64),
    })
}

/// Token ids are of OpenAI's vocabulary: langchain counts with it whatever the model. They become text first.
fn item(item: InputItem) -> Result<EmbedInput, ApiError> {
    match item {
        InputItem::Text(text) => Ok(EmbedInput::Text(text)),
        InputItem::Tokens(ids) => cl100k::decode(&ids).map(EmbedInput::Text),
    }
}

fn check_size(input: &Input) -> Result<(), ApiError> {
    let no_tokens = matches!(input, Input::TokenLists(lists) if lists.iter().any(Vec::is_empty));
    if input.is_empty() || no_tokens {
        return Err(ApiError::invalid("input", "`input` is empty; send at least one text"));
    }
    if input.len() > MAX_INPUTS {
        return Err(ApiError::invalid("input", format!("`input` takes at most {MAX_INPUTS} items")));
    }
    let bytes = match input {
        Input::Text(text) => text.len(),
        Input::Texts(texts) => texts.iter().map(String::len).sum(),
        Input::Tokens(_) | Input::TokenLists(_) => 0,
    };
    if bytes > MAX_BYTES {
        return Err(ApiError::invalid("input", format!("`input` takes at most {MAX_BYTES} bytes in one request")));
    }
    Ok(())
}
