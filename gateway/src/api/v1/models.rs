//! `GET /v1/models`: what the key may ask for, from memory.

use axum::{Json, extract::State};
use kubemate_identity::Scope;
use kubemate_wire::models::{Model, ModelList};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{ApiError, Path, caller::Caller},
    app::App,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// What the key may ask for: models and saved assistants.
///
/// # Errors
/// `Forbidden` without the scope, and the ledger's.
pub(in crate::api) async fn visible(app: &App, caller: &Caller) -> Result<Vec<Model>, ApiError> {
    caller.must(Scope::Models)?;
    let saved = app.saved_names.of(&app.ledger, &caller.tenant).await?;
    let owned_by = || caller.tenant.to_string();
    let saved = saved.iter().map(|(id, created)| Model { id: id.clone(), created: *created, owned_by: owned_by() });
    let all = app.routes.models().into_iter().chain(saved);
    Ok(all.filter(|model| caller.rights.allows_model(&model.id)).collect())
}

/// The models and saved assistants that this key may use.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, description = "A list of models")))]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(ModelList { data: visible(&app, &caller).await? }))
}

/// One model; its name may hold `/` and `:`.
#[utoipa::path(get, path = "/v1/models/{*model}", tag = "models", params(("model" = String, Path)),
    responses((status = 200, description = "The model")))]
async fn one(State(app): State<App>, caller: Caller, Path(model): Path<String>) -> Result<Json<Model>, ApiError> {
    let found = visible(&app, &caller).await?.into_iter().find(|one| one.id == model);
    found.map(Json).ok_or(ApiError::ModelNotFound(model))
}
