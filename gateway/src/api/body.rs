//! JSON bodies: capped, strict, and refused in the API's own error shape.

use std::error::Error;

use axum::{
    body::{Body, Bytes},
    extract::{FromRef, FromRequest},
};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::{answer_cache::Controls, app::App, net::BodyFault};

/// A parsed JSON body and the bytes it was parsed from (they are forwarded untouched where nothing changes).
#[derive(Debug)]
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) bytes: Bytes,
    /// What the header `cache-control` said.
    pub(crate) cache: Controls,
}

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        Strict::from_request(request, state).await?.typed()
    }
}

/// A body that is one JSON object without doubled keys or deep nesting; nothing else of it was looked at.
#[derive(Debug)]
pub(crate) struct Strict {
    pub(crate) bytes: Bytes,
    /// What belongs together, by the header `x-session-id`.
    pub(crate) session: Option<String>,
    /// What the header `cache-control` said.
    pub(crate) cache: Controls,
}

impl Strict {
    /// A body that came without words about it.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self { bytes, session: None, cache: Controls::default() }
    }

    /// The body's value.
    ///
    /// # Errors
    /// `Invalid`, naming the field that is wrong.
    pub(crate) fn typed<T: DeserializeOwned>(self) -> Result<Json<T>, ApiError> {
        if let Ok(value) = serde_json::from_slice(&self.bytes) {
            return Ok(Json { value, bytes: self.bytes, cache: self.cache });
        }
        // Keeping track of the path costs more than reading, so it is kept only to say where the mistake is.
        let mut deserializer = serde_json::Deserializer::from_slice(&self.bytes);
        match serde_path_to_error::deserialize(&mut deserializer) {
            Ok(value) => Ok(Json { value, bytes: self.bytes, cache: self.cache }),
            Err(error) => Err(explain(&error)),
        }
    }
}

impl<S> FromRequest<S> for Strict
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        check_media_type(request.headers())?;
        let limit = App::from_ref(state).config.server.max_body;
        let session = request.headers().get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let cache = Controls::of(request.headers());
        Ok(Self { session, cache, ..strict(read(request.into_body(), limit).await?)? })
    }
}

/// The same whatever the content type says: `curl -d`, which Ollama's own documents show, calls it a form. A page of
/// another origin gains nothing by it, because a key must be sent too and browsers keep none.
#[derive(Debug)]
pub(crate) struct Unlabelled(pub(crate) Strict);

impl<S> FromRequest<S> for Unlabelled
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        let limit = App::from_ref(state).config.server.max_body;
        strict(read(request.into_body(), limit).await?).map(Self)
    }
}

/// Requests with equal values are kept together where a model's policy says so.
const SESSION: &str = "x-session-id";

/// Browsers may send a form or text without asking first; JSON they may not.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    let json = essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json");
    if json { Ok(()) } else { Err(ApiError::UnsupportedMediaType("application/json")) }
}

async fn read(body: Body, limit: bytesize::ByteSize) -> Result<Bytes, ApiError> {
    let cap = usize::try_from(limit.as_u64()).unwrap_or(usize::MAX);
    match Limited::new(body, cap).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge {
            limit: limit.to_string(),
            hint: "raise `server.max_body` or send files to /v1/files",
        }),
        Err(error) => Err(fault(error.as_ref()).unwrap_or_else(broken)),
    }
}

/// What became of a body, when `error` stems from it. Clients send again after 408, so only slowness is one.
pub(crate) fn fault(error: &(dyn Error + 'static)) -> Option<ApiError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<BodyFault>() {
            Some(BodyFault::Slow) => return Some(ApiError::RequestTimeout("the body arrived too slowly")),
            Some(BodyFault::Malformed(violation)) => return Some(ApiError::Refused(violation.message())),
            Some(BodyFault::Broken(_)) => return Some(broken()),
            None => cause = error.source(),
        }
    }
    None
}

/// The body ended before its end, and nobody saw why.
pub(crate) fn broken() -> ApiError {
    ApiError::Refused("the body broke off or its framing is malformed")
}

fn strict(bytes: Bytes) -> Result<Strict, ApiError> {
    kubemate_wire::strict::check(&bytes).map_err(|error| ApiError::Invalid {
        message: error.to_string(),
        param: None,
        code: Some("invalid_json"),
    })?;
    // Rust would take a list for an object's fields in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::Invalid { message: "the body is not a JSON object".into(), param: None, code: None });
    }
    Ok(Strict::of(bytes))
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let path = error.path().to_string();
    let inner = error.inner().to_string();
    // serde's "at line 1 column 20" says nothing to somebody who holds an object, not a text.
    let why = inner.rsplit_once(" at line ").map_or(inner.as_str(), |(why, _)| why);
    match path.as_str() {
        "." | "?" => ApiError::Invalid { message: format!("the body is not usable: {why}"), param: None, code: None },
        _ => ApiError::invalid(path.clone(), format!("`{path}`: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_object_by_position() {
        #[derive(Debug, serde::Deserialize)]
        struct Named {
            name: String,
        }
        let named = strict(Bytes::from_static(b" {\"name\": \"x\"}")).unwrap().typed::<Named>();
        assert_eq!(named.unwrap().value.name, "x");
        let refused = strict(Bytes::from_static(b"[\"x\"]")).unwrap_err();
        assert_eq!(refused.to_string(), "the body is not a JSON object");
    }
}
