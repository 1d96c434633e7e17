//! One error enum for all doors, and the one table that decides what a client sees.

mod causes;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use kubemate_wire::error::{ErrorBody, ErrorObject};

/// Why a request is not answered. The text of a variant is what the client may read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("send your API key as `Authorization: Bearer km-…`")]
    Unauthenticated,
    #[error("this API key is unknown, revoked or expired")]
    InvalidKey,
    #[error("two credentials were sent; send one")]
    TwoCredentials,
    #[error("an API key in the query string ends up in logs; send it as `Authorization: Bearer …`")]
    KeyInQuery,
    #[error("{0}")]
    Forbidden(String),
    #[error("model `{0}` does not exist or this key may not use it; see GET /v1/models")]
    ModelNotFound(String),
    #[error("no {kind} with id `{id}`")]
    NotFound { kind: &'static str, id: String },
    #[error("unknown path; see /docs")]
    UnknownPath,
    #[error("this path does not take {0}; see /docs")]
    MethodNotAllowed(String),
    #[error("{message}")]
    Invalid { message: String, param: Option<String>, code: Option<&'static str> },
    #[error("{0}")]
    Refused(&'static str),
    #[error("{0}")]
    RequestTimeout(&'static str),
    #[error("the body is larger than {limit}; {hint}")]
    TooLarge { limit: String, hint: &'static str },
    #[error("content encoding `{0}` is not served; send the body as it is")]
    UnsupportedEncoding(String),
    #[error("send `content-type: {0}`")]
    UnsupportedMediaType(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("{what} is busy; try again in {} s", whole_seconds(*retry_after))]
    Busy { what: String, retry_after: Duration },
    /// A limit by the minute or on requests at once. `retry_after` is `None` when no wait helps.
    #[error("{message}")]
    RateLimited { message: String, kind: &'static str, retry_after: Option<Duration> },
    /// A budget of a day or a month.
    #[error("{0}")]
    QuotaSpent(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("this server is stopping; send the request again")]
    Stopping,
    #[error("upstream `{upstream}` {what}")]
    Upstream { upstream: String, what: String, status: StatusCode },
    /// Every target was tried, or none may be asked: sending it again would only add to the load.
    #[error("{message}")]
    Exhausted { message: String, status: StatusCode, retry_after: Option<Duration> },
    /// The cause is logged, never sent.
    #[error("internal error; quote the x-request-id to your operator")]
    Internal(#[source] anyhow::Error),
}

/// Status, OpenAI's `type`, OpenAI's `code`.
type Wire = (StatusCode, &'static str, Option<&'static str>);

const INVALID: &str = "invalid_request_error";

impl ApiError {
    /// A request that names a wrong value.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: Some(param.into()), code: None }
    }

    /// A request that asks for a field this server does not serve.
    pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), param: Some(param.into()), code: Some("unsupported_parameter") }
    }

    /// Hides `cause` from the client and keeps it for the log.
    pub(crate) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }

    /// The status a client sees.
    pub(crate) fn status(&self) -> StatusCode {
        self.wire().0
    }

    /// OpenAI's `code`.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.wire().2
    }

    fn wire(&self) -> Wire {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, INVALID, Some("invalid_api_key")),
            Self::InvalidKey => (StatusCode::UNAUTHORIZED, INVALID, Some("invalid_api_key")),
            Self::TwoCredentials => (StatusCode::BAD_REQUEST, INVALID, Some("two_credentials")),
            Self::KeyInQuery => (StatusCode::BAD_REQUEST, INVALID, Some("key_in_query")),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "permission_error", Some("insufficient_permissions")),
            Self::ModelNotFound(_) => (StatusCode::NOT_FOUND, INVALID, Some("model_not_found")),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, INVALID, Some("not_found")),
            Self::UnknownPath => (StatusCode::NOT_FOUND, INVALID, Some("unknown_url")),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, INVALID, Some("method_not_allowed")),
            Self::Invalid { code, .. } => (StatusCode::BAD_REQUEST, INVALID, *code),
            Self::Refused(_) => (StatusCode::BAD_REQUEST, INVALID, Some("malformed_request")),
            Self::RequestTimeout(_) => (StatusCode::REQUEST_TIMEOUT, INVALID, Some("request_timeout")),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, Some("too_large")),
            Self::UnsupportedEncoding(_) | Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, Some("unsupported_media_type"))
            }
            Self::Conflict(_) => (StatusCode::CONFLICT, INVALID, Some("conflict")),
            Self::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("rate_limit_exceeded")),
            Self::RateLimited { kind, .. } => (StatusCode::TOO_MANY_REQUESTS, kind, Some("rate_limit_exceeded")),
            Self::QuotaSpent(_) => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", Some("insufficient_quota")),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("unavailable")),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "server_error", Some("stopping")),
            Self::Exhausted { status: StatusCode::TOO_MANY_REQUESTS, .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("rate_limit_exceeded"))
            }
            Self::Exhausted { status, .. } | Self::Upstream { status, .. } => {
                (*status, "upstream_error", Some("upstream_error"))
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
        }
    }

    /// OpenAI's error object.
    pub(crate) fn body(&self) -> ErrorBody {
        let (_, kind, code) = self.wire();
        ErrorBody {
            error: ErrorObject {
                message: self.to_string(),
                kind: kind.to_owned(),
                param: match self {
                    Self::Invalid { param, .. } => param.clone(),
                    Self::ModelNotFound(_) => Some("model".to_owned()),
                    _ => None,
                },
                code: code.map(str::to_owned),
            },
        }
    }

    /// Headers that steer the retries of OpenAI's clients.
    fn steer(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Self::Busy { retry_after, .. }
        | Self::Exhausted { retry_after: Some(retry_after), .. }
        | Self::RateLimited { retry_after: Some(retry_after), .. } = self
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(*retry_after)));
            headers.insert("retry-after-ms", HeaderValue::from(retry_after.as_millis().max(1) as u64));
        }
        let hopeless = matches!(self, Self::RateLimited { retry_after: None, .. } | Self::QuotaSpent(_));
        if hopeless || matches!(self, Self::Upstream { .. } | Self::Exhausted { .. } | Self::Conflict(_)) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if matches!(self, Self::Unauthenticated | Self::InvalidKey) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

/// Rounded up: who waits a second less than was said is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.steer(&mut response);
        response.extensions_mut().insert(Arc::new(self)); // the edge logs it once
        response
    }
}

/// Answers paths that no door has.
pub(super) async fn unknown_path() -> ApiError {
    ApiError::UnknownPath
}

/// Answers methods that a path does not take.
pub(super) async fn method_not_allowed(method: http::Method) -> ApiError {
    ApiError::MethodNotAllowed(method.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_in_seconds_is_never_shorter_than_the_one_in_milliseconds() {
        for (wait, seconds, millis) in [(0, "1", "1"), (999, "1", "999"), (1000, "1", "1000"), (1001, "2", "1001")] {
            let error = ApiError::Busy { what: "the model".to_owned(), retry_after: Duration::from_millis(wait) };
            assert!(error.to_string().ends_with(&format!("in {seconds} s")), "{error}");
            let response = error.into_response();
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
            assert_eq!(response.headers()["retry-after-ms"], millis);
        }
    }
}
