//! The outermost layer: request id, timing, metrics, one log line, and a shape for panics.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::{ApiError, lasting::Refused};
use crate::{app::App, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");

/// The id that ties a request to its log lines, audit rows and usage.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's id when it is harmless, else a new one.
    fn from_headers(headers: &HeaderMap) -> Self {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_harmless(id));
        Self(sent.map_or_else(|| Arc::from(format!("req_{}", Uuid::now_v7().simple())), Arc::from))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Runs the request inside a span and reports on it once, whatever became of it.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = RequestId::from_headers(request.headers());
    let method = request.method().clone();
    let span = info_span!("request", request.id = %id, http.method = %method);
    request.extensions_mut().insert(id.clone());
    let route = route_of(&request);
    let in_flight = telemetry::InFlight::enter();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response =
        answered.unwrap_or_else(|_| ApiError::Internal(anyhow::anyhow!("a handler panicked")).into_response());
    stamp(&mut response, &id, begun);
    let seen = Seen::of(method, route, &response);
    telemetry::request_answered(&seen.method, &seen.route, seen.status, begun.elapsed());
    report(&app, &seen).instrument(span).await;
    response.extensions_mut().insert(in_flight);
    response
}

/// The route's pattern, never the path itself: ids would make a time series each.
fn route_of(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned())
}

fn stamp(response: &mut Response, id: &RequestId, begun: Instant) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    let spent = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    headers.insert(PROCESSING_MS, HeaderValue::from(spent));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
}

/// What is reported of a request.
struct Seen {
    method: Method,
    route: String,
    status: StatusCode,
    error: Option<Arc<ApiError>>,
    refused: Option<Refused>,
}

impl Seen {
    fn of(method: Method, route: String, response: &Response) -> Self {
        let extensions = response.extensions();
        let (error, refused) = (extensions.get().cloned(), extensions.get().cloned());
        Self { method, route, status: response.status(), error, refused }
    }
}

async fn report(app: &App, seen: &Seen) {
    let Some(error) = &seen.error else { return };
    match error.as_ref() {
        ApiError::Internal(cause) => {
            tracing::error!(http.route = %seen.route, error = format!("{cause:#}"), "a request failed inside");
        }
        ApiError::Unauthenticated
        | ApiError::InvalidKey
        | ApiError::TwoCredentials
        | ApiError::KeyInQuery
        | ApiError::Forbidden(_) => {
            let refused = seen.refused.as_ref().map(|refused| refused.0.as_ref());
            app.audit.denied(refused, &seen.method, &seen.route, error.code().unwrap_or_default()).await;
        }
        // The server was asked to stop; that clients are still told so is no failure.
        ApiError::Stopping => tracing::debug!(http.route = %seen.route, "a request came while stopping"),
        other if seen.status.is_server_error() => {
            tracing::warn!(http.route = %seen.route, error = %other, "a request failed")
        }
        other => tracing::debug!(http.route = %seen.route, error = %other, "a request was refused"),
    }
}
