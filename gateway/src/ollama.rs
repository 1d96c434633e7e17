//! Upstreams that speak Ollama's own API: OpenAI's requests become theirs, their answers OpenAI's.
//!
//! Everything in front of an upstream (routing, metering, the answer cache, citations) sees OpenAI's shapes only.

mod answer;
mod body;
mod chat;
mod embed;
mod generate;
mod lines;
mod manager;
mod options;
mod stream;
mod turns;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;

pub(crate) use lines::Lines;
pub(crate) use manager::Manager;

use crate::{
    api::ApiError,
    routing::{BodyError, UpstreamBody},
};

/// A request in Ollama's words, and how its answer is to be read.
#[derive(Debug)]
pub(crate) struct Native {
    /// Below the server's root.
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) reading: Reading,
}

/// How an answer is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) shape: Shape,
    /// As the upstream knows it.
    pub(crate) model: String,
    pub(crate) streams: bool,
    /// Whether a stream ends with counts.
    pub(crate) counts: bool,
    pub(crate) logprobs: bool,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Chat,
    Text,
    Embeddings { base64: bool },
}

/// The request that `path` of OpenAI's API and its `body` become.
///
/// # Errors
/// `Invalid`, naming the field that Ollama does not serve.
pub(crate) fn native(path: &str, body: &[u8]) -> Result<Native, ApiError> {
    match path {
        "/chat/completions" => chat::native(&read(body)?),
        "/completions" => generate::native(read(body)?),
        "/embeddings" => embed::native(read(body)?),
        _ => {
            Err(ApiError::unsupported("model", "the Ollama server behind this model chats, completes and embeds only"))
        }
    }
}

/// The answer to a [`Native`] request, in OpenAI's shape.
///
/// # Errors
/// When an answer that is not a stream breaks off or is not Ollama's.
pub(crate) async fn open(
    reading: Reading,
    response: Response<UpstreamBody>,
) -> Result<Response<UpstreamBody>, BodyError> {
    let translated = body::translate(reading, response).await.map_err(broken)?;
    Ok(translated.map(|body| UpstreamBody::translated(body.map_err(broken))))
}

fn broken(failure: body::Failure) -> BodyError {
    match failure.downcast::<BodyError>() {
        Ok(error) => *error,
        Err(failure) => BodyError::Unreadable(failure.to_string()),
    }
}

fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid("", format!("the body is not usable: {error}")))
}

fn written(request: &impl serde::Serialize) -> Result<Bytes, ApiError> {
    serde_json::to_vec(request).map(Bytes::from).map_err(ApiError::internal)
}

/// The root of an Ollama server, however its address was given: OpenAI clients are told `/v1`, others `/api`.
pub(crate) fn root(base_url: &str) -> &str {
    let base = base_url.trim_end_matches('/');
    let root = base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base);
    root.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_however_it_was_given() {
        for given in
            ["http://a:11434", "http://a:11434/", "http://a:11434/v1", "http://a:11434/v1/", "http://a:11434/api"]
        {
            assert_eq!(root(given), "http://a:11434", "{given}");
        }
        assert_eq!(root("http://a/ollama/v1"), "http://a/ollama");
    }

    #[test]
    fn what_ollama_does_not_do_is_refused() {
        assert!(native("/rerank", b"{}").is_err());
    }
}
