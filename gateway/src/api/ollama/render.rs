//! Errors of this API in Ollama's shape.

use std::sync::Arc;

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderValue, header};
use kubemate_wire::ollama::OllamaError;

use crate::api::ApiError;

/// What every path of Ollama's API begins with.
const OLLAMA: &str = "/api/";

/// Rewrites errors, those of paths and methods that there are not included; other answers pass. Status and headers stay.
pub(in crate::api) async fn render(request: Request, next: Next) -> Response {
    let is_ollama = request.uri().path().starts_with(OLLAMA);
    let response = next.run(request).await;
    if is_ollama { plain(response) } else { response }
}

fn plain(mut response: Response) -> Response {
    let Some(error) = response.extensions().get::<Arc<ApiError>>().cloned() else {
        return response;
    };
    let body = serde_json::to_vec(&OllamaError { error: error.to_string() }).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}
