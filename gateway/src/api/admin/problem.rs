//! Errors of the admin API as problem details.

use std::sync::Arc;

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::api::ApiError;

/// RFC 9457, with our stable code as an extension.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// What every path of the admin API begins with.
const ADMIN: &str = "/admin/";

/// Rewrites errors of the admin API, those of paths and methods that it does not have included; other answers pass.
pub(in crate::api) async fn render(request: Request, next: Next) -> Response {
    let is_admin = request.uri().path().starts_with(ADMIN);
    let response = next.run(request).await;
    if is_admin { as_problem(response) } else { response }
}

fn as_problem(mut response: Response) -> Response {
    let Some(error) = response.extensions().get::<Arc<ApiError>>().cloned() else {
        return response;
    };
    let status = error.status();
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: error.to_string(),
        code: error.code(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}
