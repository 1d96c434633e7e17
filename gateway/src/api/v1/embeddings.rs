//! `POST /v1/embeddings`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue};
use kubemate_engine::{EmbedInput, EmbedRequest, Embedded, ModelKind, Priority, Purpose};
use kubemate_identity::Scope;
use kubemate_wire::{
    embeddings::{
        Embedding, EmbeddingsRequest, EmbeddingsResponse, InputType, MAX_INPUT_TOKENS, MAX_INPUTS, MAX_TOKENS, Vector,
    },
    input::{Input, InputItem},
    usage::InputUsage,
};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{ApiError, Json as Body, caller::Caller},
    app::App,
    forward::{Door, Outgoing, forward},
    limits::Estimate,
    models::{Target, cl100k},
    telemetry::Chosen,
};

/// Bytes of all texts together that one request may bring to a tokenizer.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How many inputs were cut at the model's context; absent when none was.
const TRUNCATED: HeaderName = HeaderName::from_static("x-kubemate-truncated");

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Turn texts or token ids into vectors.
///
/// An input may be longer than the model's context: it is cut there, because clients such as langchain split by OpenAI's
/// 8,191 tokens and know no other limit. `x-kubemate-truncated` then says how many inputs were cut; with `truncate: false`
/// they are refused instead. Token ids are of `cl100k_base`: up to 8,192 an input and 300,000 a request.
#[utoipa::path(post, path = "/v1/embeddings", tag = "embeddings", responses((status = 200, description = "A list of vectors",
    headers(("x-kubemate-truncated" = u64, description = "Inputs that were cut at the model's context; absent when none was")))))]
pub(in crate::api) async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body<EmbeddingsRequest>,
) -> Result<Response, ApiError> {
    caller.must(Scope::Embeddings)?;
    let request = body.value;
    if !caller.rights.allows_model(&request.model) {
        return Err(ApiError::ModelNotFound(request.model));
    }
    check_size(&request.input)?;
    let target = app.routes.choose(&request.model)?;
    match target {
        Target::Remote(..) => forward(&app, &caller, Outgoing::new(Door::Embeddings, &body.bytes, body.cache)?).await,
        Target::Local(name) => {
            let estimate = Estimate::new(&body.bytes, Some(0), 1).by_local(&app.local, &name);
            let mut meter = app.usage.admit(&caller, &request.model, "embeddings", estimate).await?;
            meter.routed(Chosen::here(&name));
            let (answer, truncated) = meter.watch(embed(&app, &name, request).await)?;
            meter.prompt(answer.usage.prompt_tokens);
            meter.answered();
            Ok(told(Json(answer).into_response(), truncated))
        }
    }
}

/// A vector of half a text looks like any other, so the answer says that there is one.
fn told(mut response: Response, truncated: usize) -> Response {
    if truncated > 0 {
        response.headers_mut().insert(TRUNCATED, HeaderValue::from(truncated));
    }
    response
}

/// The vectors, and how many inputs were cut.
async fn embed(app: &App, name: &str, request: EmbeddingsRequest) -> Result<(EmbeddingsResponse, usize), ApiError> {
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
    let texts = texts(request.input).await?;
    let Embedded { vectors, tokens, truncated } =
        embedder.embed(EmbedRequest { texts, purpose, priority: Priority::Interactive }).await?;
    if truncated > 0 && request.other.get("truncate") == Some(&Value::Bool(false)) {
        return Err(too_long(truncated, embedder.identity().context));
    }
    let format = request.encoding_format.unwrap_or_default();
    let vector = |(index, values)| Embedding { index, embedding: Vector::new(values, format) };
    let answer = EmbeddingsResponse {
        data: vectors.into_iter().enumerate().map(vector).collect(),
        model: request.model,
        usage: InputUsage::new(tokens as u64),
    };
    Ok((answer, truncated))
}

fn too_long(count: usize, context: usize) -> ApiError {
    ApiError::Invalid {
        message: format!(
            "inputs longer than the model's {context} tokens: {count}; split them, or leave `truncate` out to have them cut"
        ),
        param: Some("input".to_owned()),
        code: Some("context_length_exceeded"),
    }
}

/// The inputs as texts. Hundreds of thousands of token ids take a while to decode, so not on an async thread.
async fn texts(input: Input) -> Result<Vec<EmbedInput>, ApiError> {
    let (longest, _) = input.token_ids();
    if longest == 0 {
        return input.into_items().into_iter().map(|one| text(one).map(EmbedInput::Text)).collect();
    }
    if longest > MAX_INPUT_TOKENS {
        let message = format!("an item of `input` takes at most {MAX_INPUT_TOKENS} token ids");
        return Err(ApiError::invalid("input", message));
    }
    let decoding = tokio::task::spawn_blocking(move || decoded(input));
    decoding.await.map_err(ApiError::internal)?
}

/// An id may stand for over a hundred bytes, so what comes out is counted as it comes.
fn decoded(input: Input) -> Result<Vec<EmbedInput>, ApiError> {
    let mut bytes = 0;
    let one = |item: InputItem| {
        let text = text(item)?;
        bytes += text.len();
        if bytes > MAX_BYTES { Err(too_many_bytes()) } else { Ok(EmbedInput::Text(text)) }
    };
    input.into_items().into_iter().map(one).collect()
}

fn too_many_bytes() -> ApiError {
    ApiError::invalid("input", format!("`input` takes at most {MAX_BYTES} bytes in one request"))
}

/// Token ids are of OpenAI's vocabulary: langchain counts with it whatever the model. They become text first.
fn text(item: InputItem) -> Result<String, ApiError> {
    match item {
        InputItem::Text(text) => Ok(text),
        InputItem::Tokens(ids) => cl100k::decode(&ids),
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
        return Err(too_many_bytes());
    }
    if input.token_ids().1 > MAX_TOKENS {
        return Err(ApiError::invalid("input", format!("`input` takes at most {MAX_TOKENS} token ids in one request")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed<T>(outcome: Result<T, ApiError>) -> String {
        match outcome {
            Err(ApiError::Invalid { message, param, .. }) if param.as_deref() == Some("input") => message,
            _ => panic!("a refusal of `input`"),
        }
    }

    #[tokio::test]
    async fn token_ids_have_limits_of_their_own() {
        assert!(check_size(&Input::TokenLists(vec![vec![9906; 8191]; 36])).is_ok());
        assert!(blamed(check_size(&Input::TokenLists(vec![vec![9906; 8191]; 37]))).contains("300000"));
        assert!(blamed(check_size(&Input::Tokens(vec![9906; 5_500_000]))).contains("300000"));
        assert!(texts(Input::Tokens(vec![9906; 8192])).await.is_ok());
        assert!(blamed(texts(Input::Tokens(vec![9906; 8193])).await).contains("8192"));
    }

    #[tokio::test]
    async fn what_ids_stand_for_counts_as_text_does() {
        let longest = tiktoken_rs::cl100k_base_singleton().encode_ordinary(&" ".repeat(80)).first().copied().unwrap();
        let bytes = crate::models::cl100k::decode(&[longest]).unwrap().len();
        assert!(bytes > 20, "one id, {bytes} bytes");
        let lists = vec![vec![longest; 8192]; 36];
        assert!(blamed(texts(Input::TokenLists(lists)).await).contains("4194304"));
    }
}
