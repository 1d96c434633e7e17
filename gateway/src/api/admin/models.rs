//! Models that can be asked for: those of the configuration file, read-only, and those that were added here.

use axum::{Json, extract::State};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    operator::Operator,
    tenants::Listed,
    upstreams::{Sourced, same_name, text},
};
use crate::{
    api::{ApiError, Json as Body, Path, names},
    app::App,
    auth::Deed,
    config::ModelConfig,
    routing::{Edit, Entry, Kind},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, delete))
}

async fn all(app: &App) -> Result<Vec<Sourced>, ApiError> {
    let [file, saved] = app.routes.specs().await;
    let sources = [("file", file), ("ledger", saved)];
    let entries =
        sources.iter().flat_map(|(source, spec)| spec.models.iter().map(|one| Sourced::new(&one.name, source, one)));
    entries.collect()
}

/// The models of the configuration file and those that were added here.
#[utoipa::path(get, path = "/admin/v1/models", tag = "admin", responses((status = 200, body = Listed<Sourced>)))]
async fn list(State(app): State<App>, operator: Operator) -> Result<Json<Listed<Sourced>>, ApiError> {
    operator.must_be_of_instance()?;
    Ok(Json(Listed { data: all(&app).await? }))
}

/// One model; its name may hold `/` and `:`.
#[utoipa::path(get, path = "/admin/v1/models/{*name}", tag = "admin", params(("name" = String, Path)),
    responses((status = 200, body = Sourced)))]
async fn one(State(app): State<App>, operator: Operator, Path(name): Path<String>) -> Result<Json<Sourced>, ApiError> {
    operator.must_be_of_instance()?;
    let found = all(&app).await?.into_iter().find(|one| one.name == name);
    found.map(Json).ok_or(ApiError::NotFound { kind: "model", id: name })
}

/// Add a model: the settings of `[[models]]` as JSON. It can be asked for at once, and after a restart.
#[utoipa::path(post, path = "/admin/v1/models", tag = "admin", request_body(content = Object),
    responses((status = 201, body = Sourced)))]
async fn create(
    State(app): State<App>,
    operator: Operator,
    body: Body<ModelConfig>,
) -> Result<(StatusCode, Json<Sourced>), ApiError> {
    operator.must_be_of_instance()?;
    let (model, text) = checked(body)?;
    let deed = Deed::new("model.create", model.name.clone());
    let edit = Edit::Create(Entry::Model(Box::new(model.clone())), text);
    app.audit.change(operator.caller(), deed, app.routes.edit(&app.ledger, edit)).await?;
    Ok((StatusCode::CREATED, Json(Sourced::new(&model.name, "ledger", &model)?)))
}

/// Put other settings in place of a model's that was added here.
#[utoipa::path(put, path = "/admin/v1/models/{*name}", tag = "admin", params(("name" = String, Path)),
    request_body(content = Object), responses((status = 200, body = Sourced)))]
async fn replace(
    State(app): State<App>,
    operator: Operator,
    Path(name): Path<String>,
    body: Body<ModelConfig>,
) -> Result<Json<Sourced>, ApiError> {
    operator.must_be_of_instance()?;
    let (model, text) = checked(body)?;
    same_name(&name, &model.name)?;
    let deed = Deed::new("model.replace", name);
    let edit = Edit::Replace(Entry::Model(Box::new(model.clone())), text);
    app.audit.change(operator.caller(), deed, app.routes.edit(&app.ledger, edit)).await?;
    Ok(Json(Sourced::new(&model.name, "ledger", &model)?))
}

/// Remove a model that was added here and that no other falls back to.
#[utoipa::path(delete, path = "/admin/v1/models/{*name}", tag = "admin", params(("name" = String, Path)),
    responses((status = 204)))]
async fn delete(State(app): State<App>, operator: Operator, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    operator.must_be_of_instance()?;
    let deed = Deed::new("model.delete", name.clone());
    let edit = app.routes.edit(&app.ledger, Edit::Delete(Kind::Model, name));
    app.audit.change(operator.caller(), deed, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(body: Body<ModelConfig>) -> Result<(ModelConfig, String), ApiError> {
    names::check("name", &body.value.name)?;
    body.value.aliases.iter().try_for_each(|alias| names::check("aliases", alias))?;
    Ok((body.value, text(&body.bytes)?))
}
