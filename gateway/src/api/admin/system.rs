//! The process itself: which models run here and which configuration is in force.

use axum::{Json, extract::State};
use kubemate_engine::{ModelKind, catalogue};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{api::ApiError, app::App};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(models)).routes(routes!(config))
}

/// A model that can run on this machine.
#[derive(Debug, Serialize, ToSchema)]
struct LocalModel {
    name: &'static str,
    /// `chat` or `embedder`.
    kind: &'static str,
    license: &'static str,
    about: &'static str,
    bytes: u64,
    /// Whether its weights are on this machine.
    present: bool,
    /// Whether it is in memory.
    loaded: bool,
}

/// The catalogue of local models and their state.
#[utoipa::path(get, path = "/admin/v1/models/local", tag = "admin", responses((status = 200, body = Listed<LocalModel>)))]
async fn models(State(app): State<App>, operator: Operator) -> Result<Json<Listed<LocalModel>>, ApiError> {
    operator.must_be_of_instance()?;
    let one = |entry: &'static kubemate_engine::CatalogueEntry| LocalModel {
        name: entry.name,
        kind: match entry.kind {
            ModelKind::Chat => "chat",
            ModelKind::Embedder => "embedder",
        },
        license: entry.license,
        about: entry.about,
        bytes: entry.files.iter().map(|file| file.bytes).sum(),
        present: app.local.kind(entry.name).is_some(),
        loaded: app.local.is_loaded(entry.name),
    };
    Ok(Json(Listed { data: catalogue().iter().map(one).collect() }))
}

/// The configuration in force, secrets as `***`.
#[utoipa::path(get, path = "/admin/v1/config", tag = "admin", responses((status = 200, description = "The configuration")))]
async fn config(State(app): State<App>, operator: Operator) -> Result<Json<serde_json::Value>, ApiError> {
    operator.must_be_of_instance()?;
    serde_json::to_value(&app.config).map(Json).map_err(ApiError::internal)
}
