//! What an upstream refuses, in our own shape.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::{api::ApiError, models::Upstream, routing::UpstreamBody};

/// Longest error body of an upstream that is read.
const MAX_ERROR: usize = 64 * 1024;
/// Longest wait that an upstream may impose on clients, in seconds; OpenAI's clients obey up to 120.
const MAX_PATIENCE: u64 = 120;

/// The error that an upstream's refusal becomes: its own words for what the client did wrong, ours for the rest.
pub(crate) async fn refusal(upstream: &Upstream, response: http::Response<UpstreamBody>) -> ApiError {
    let status = response.status();
    let patience = patience(response.headers());
    let body = Limited::new(response.into_body(), MAX_ERROR).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match (status, told(&body)) {
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some((message, param))) => {
            ApiError::Invalid { message, param, code: None }
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            upstream.failed(StatusCode::BAD_GATEWAY, "refused the gateway's own credentials")
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            let message = format!("upstream `{}` is busy; try again in {} s", upstream.name, patience.as_secs());
            ApiError::Exhausted { message, status, retry_after: Some(patience) }
        }
        (status, _) if status.is_client_error() => upstream.failed(status, status.as_str()),
        (status, _) => upstream.failed(StatusCode::BAD_GATEWAY, status.as_str()),
    }
}

/// How long an upstream asks to be left alone; a second when it does not say.
fn patience(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).clamp(1, MAX_PATIENCE))
}

/// An upstream's own words and the field they are about: OpenAI's shape, vLLM's older one (`message` at the top) or
/// FastAPI's (`detail`, a text or a list with `loc` and `msg`).
fn told(body: &[u8]) -> Option<(String, Option<String>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(message) = error.get("message").or_else(|| body.get("error")).and_then(text) {
        return Some((message, error.get("param").and_then(text)));
    }
    let detail = body.get("detail")?;
    if let Some(message) = text(detail) {
        return Some((message, None));
    }
    let first = detail.get(0)?;
    let field = first.get("loc").and_then(|place| text(place.as_array()?.last()?));
    Some((first.get("msg").and_then(text)?, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_servers_words_are_found() {
        let of = |body: &str| told(body.as_bytes());
        let both = |message: &str, param: &str| Some((message.to_owned(), Some(param.to_owned())));
        assert_eq!(of(r#"{"error":{"message":"too long","param":"messages"}}"#), both("too long", "messages"));
        assert_eq!(of(r#"{"object":"error","message":"bad","code":400}"#), Some(("bad".to_owned(), None)));
        assert_eq!(of(r#"{"error":"no such model"}"#), Some(("no such model".to_owned(), None)));
        assert_eq!(of(r#"{"detail":"nope"}"#), Some(("nope".to_owned(), None)));
        assert_eq!(of(r#"{"detail":[{"loc":["body","n"],"msg":"must be positive"}]}"#), both("must be positive", "n"));
        assert_eq!(of("<html>"), None);
    }
}
