//! `/admin/v1`: tenants, projects, keys, limits, usage and audit. Errors are problem+json (RFC 9457).

mod audit;
mod keys;
mod limits;
mod models;
mod ollama;
pub(in crate::api) mod operator;
mod problem;
mod routes;
mod system;
mod tenants;
mod upstreams;
mod usage;

use utoipa_axum::router::OpenApiRouter;

pub(super) use problem::render;

use crate::app::App;

/// All paths below `/admin/v1`.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(tenants::router())
        .merge(keys::router())
        .merge(limits::router())
        .merge(usage::router())
        .merge(audit::router())
        .merge(ollama::router())
        .merge(system::router())
        .merge(upstreams::router())
        .merge(models::router())
        .merge(routes::router())
}
