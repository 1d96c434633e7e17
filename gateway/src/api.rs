//! The doors: `/v1` (OpenAI), `/api` (Ollama), `/admin/v1`, and the operations endpoints, with what they share.

pub(crate) mod admin;
pub(crate) mod body;
mod caller;
mod cors;
mod edge;
mod error;
mod express;
mod extract;
mod lasting;
pub(crate) mod names;
mod ollama;
mod operations;
mod strict;
pub(crate) mod v1;

use axum::{Router, middleware};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use body::{Json, Strict, Unlabelled};

pub(crate) use error::ApiError;
pub(crate) use express::Doors;
pub(crate) use extract::{Path, Query, Upload};
pub(crate) use names::is_plain as is_plain_name;

use crate::app::App;

/// All doors of the process behind the layers every request passes.
pub(crate) fn doors(app: &App) -> Doors {
    Doors::new(app.clone(), router(app))
}

fn router(app: &App) -> Router {
    let (router, document) = described().split_for_parts();
    router
        .merge(operations::documentation(document))
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), lasting::bound))
        .layer(middleware::from_fn(strict::refuse_bad_requests))
        .layer(middleware::from_fn(admin::render))
        .layer(middleware::from_fn(ollama::render))
        .layer(cors::layer(&app.config.server.cors_origins))
        .layer(middleware::from_fn_with_state(app.clone(), edge::observe))
        .with_state(app.clone())
}

/// The API as OpenAPI 3.1, as JSON.
///
/// # Errors
/// When the document cannot be serialised.
pub(crate) fn openapi_json() -> serde_json::Result<String> {
    described().split_for_parts().1.to_pretty_json()
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(operations::description())
        .merge(v1::router())
        .merge(ollama::router())
        .merge(admin::router())
        .merge(operations::router())
}
