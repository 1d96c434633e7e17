//! The outermost layer: request id, timing, metrics, one log line, and a shape for panics.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{Request as HttpRequest, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderName, HeaderValue, header};

use super::{ApiError, lasting::Refused};
use crate::{
    app::App,
    limits,
    telemetry::{REQUEST_ID, Request},
};

const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");

/// Runs the request and reports on it once, whatever became of it.
pub(super) async fn observe(State(app): State<App>, request: HttpRequest, next: Next) -> Response {
    let seen = Request::begin(&request, &app.telemetry, None);
    observed(&app, seen, next.run(request)).await
}

/// [`observe`], whoever answers.
pub(super) async fn observed(app: &App, seen: Arc<Request>, answer: impl Future<Output = Response>) -> Response {
    let answered = seen.scope(AssertUnwindSafe(limits::stamped(answer)).catch_unwind()).await;
    let mut response =
        answered.unwrap_or_else(|_| ApiError::Internal(anyhow::anyhow!("a handler panicked")).into_response());
    stamp(&mut response, &seen);
    seen.answered(response.status());
    if let Some(error) = response.extensions().get::<Arc<ApiError>>().cloned() {
        let refused = response.extensions().get().cloned();
        seen.scope(report(app, &seen, error, refused)).await;
    }
    response.extensions_mut().insert(seen);
    response
}

fn stamp(response: &mut Response, seen: &Request) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(seen.id().as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    let spent = u64::try_from(seen.elapsed().as_millis()).unwrap_or(u64::MAX);
    headers.insert(PROCESSING_MS, HeaderValue::from(spent));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

async fn report(app: &App, seen: &Request, error: Arc<ApiError>, refused: Option<Refused>) {
    let (method, route) = (seen.method(), seen.route());
    match error.as_ref() {
        ApiError::Internal(cause) => {
            tracing::error!(http.method = %method, http.route = %route, error = format!("{cause:#}"), "a request failed inside");
        }
        ApiError::Unauthenticated
        | ApiError::InvalidKey
        | ApiError::TwoCredentials
        | ApiError::KeyInQuery
        | ApiError::Forbidden(_) => {
            let refused = refused.as_ref().map(|refused| refused.0.as_ref());
            app.audit.denied(refused, method, route, error.code().unwrap_or_default()).await;
        }
        // The server was asked to stop; that clients are still told so is no failure.
        ApiError::Stopping => {
            tracing::debug!(http.method = %method, http.route = %route, "a request came while stopping");
        }
        other if other.status().is_server_error() => {
            tracing::warn!(http.method = %method, http.route = %route, error = %other, "a request failed");
        }
        other => tracing::debug!(http.method = %method, http.route = %route, error = %other, "a request was refused"),
    }
}
