//! Upstreams of the instance: those of the configuration file, read-only, and those that were added here.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{operator::Operator, tenants::Listed};
use crate::{
    api::{ApiError, Json as Body, Path, names},
    app::App,
    auth::Deed,
    config::{ModelConfig, UpstreamConfig},
    routing::{Edit, Entry, Kind, list as list_models},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, delete)).routes(routes!(import))
}

/// An entry of the table and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sourced {
    pub(super) name: String,
    /// `file`: read-only here; `ledger`: added here.
    pub(super) source: &'static str,
    /// Every setting as it is in force, by its name in the configuration file; secrets as `***`, or where they are found.
    #[schema(value_type = Object)]
    pub(super) settings: Value,
}

impl Sourced {
    pub(super) fn new(name: &str, source: &'static str, settings: &impl Serialize) -> Result<Self, ApiError> {
        let settings = serde_json::to_value(settings).map_err(ApiError::internal)?;
        Ok(Self { name: name.to_owned(), source, settings })
    }
}

/// What an upstream's list of models led to.
#[derive(Debug, Serialize, ToSchema)]
struct Imported {
    /// Everything that it lists.
    listed: Vec<String>,
    /// Those that were not offered under their name before, and are now.
    added: Vec<String>,
}

fn of(upstream: &UpstreamConfig, source: &'static str) -> Result<Sourced, ApiError> {
    let mut entry = Sourced::new(&upstream.name, source, upstream)?;
    let reference = upstream.api_key.as_ref().and_then(|secret| secret.reference());
    if let (Some(reference), Some(settings)) = (reference, entry.settings.as_object_mut()) {
        settings.insert("api_key".to_owned(), reference);
    }
    Ok(entry)
}

async fn all(app: &App) -> Result<Vec<Sourced>, ApiError> {
    let [file, saved] = app.routes.specs().await;
    let sources = [("file", file), ("ledger", saved)];
    let entries = sources.iter().flat_map(|(source, spec)| spec.upstreams.iter().map(|one| of(one, source)));
    entries.collect()
}

/// The upstreams of the configuration file and those that were added here.
#[utoipa::path(get, path = "/admin/v1/upstreams", tag = "admin", responses((status = 200, body = Listed<Sourced>)))]
async fn list(State(app): State<App>, operator: Operator) -> Result<Json<Listed<Sourced>>, ApiError> {
    operator.must_be_of_instance()?;
    Ok(Json(Listed { data: all(&app).await? }))
}

/// One upstream.
#[utoipa::path(get, path = "/admin/v1/upstreams/{name}", tag = "admin", params(("name" = String, Path)),
    responses((status = 200, body = Sourced)))]
async fn one(State(app): State<App>, operator: Operator, Path(name): Path<String>) -> Result<Json<Sourced>, ApiError> {
    operator.must_be_of_instance()?;
    let found = all(&app).await?.into_iter().find(|one| one.name == name);
    found.map(Json).ok_or(ApiError::NotFound { kind: "upstream", id: name })
}

/// Add an upstream: the settings of `[[upstreams]]` as JSON. It is there at once, and after a restart.
///
/// A secret is `{"env": "KUBEMATE_SECRET_…"}` or a `{"file": "path"}` below `auth.secret_files` of the server's own machine;
/// its text is refused.
#[utoipa::path(post, path = "/admin/v1/upstreams", tag = "admin", request_body(content = Object),
    responses((status = 201, body = Sourced)))]
async fn create(
    State(app): State<App>,
    operator: Operator,
    body: Body<UpstreamConfig>,
) -> Result<(StatusCode, Json<Sourced>), ApiError> {
    operator.must_be_of_instance()?;
    let (upstream, text) = checked(&app, body)?;
    let deed = Deed::new("upstream.create", upstream.name.clone());
    let edit = Edit::Create(Entry::Upstream(Box::new(upstream.clone())), text);
    app.audit.change(operator.caller(), deed, app.routes.edit(&app.ledger, edit)).await?;
    Ok((StatusCode::CREATED, Json(of(&upstream, "ledger")?)))
}

/// Put other settings in place of an upstream's that was added here.
#[utoipa::path(put, path = "/admin/v1/upstreams/{name}", tag = "admin", params(("name" = String, Path)),
    request_body(content = Object), responses((status = 200, body = Sourced)))]
async fn replace(
    State(app): State<App>,
    operator: Operator,
    Path(name): Path<String>,
    body: Body<UpstreamConfig>,
) -> Result<Json<Sourced>, ApiError> {
    operator.must_be_of_instance()?;
    let (upstream, text) = checked(&app, body)?;
    same_name(&name, &upstream.name)?;
    let deed = Deed::new("upstream.replace", name);
    let edit = Edit::Replace(Entry::Upstream(Box::new(upstream.clone())), text);
    app.audit.change(operator.caller(), deed, app.routes.edit(&app.ledger, edit)).await?;
    Ok(Json(of(&upstream, "ledger")?))
}

/// Remove an upstream that was added here and that no model names.
#[utoipa::path(delete, path = "/admin/v1/upstreams/{name}", tag = "admin", params(("name" = String, Path)),
    responses((status = 204)))]
async fn delete(State(app): State<App>, operator: Operator, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    operator.must_be_of_instance()?;
    let deed = Deed::new("upstream.delete", name.clone());
    let edit = app.routes.edit(&app.ledger, Edit::Delete(Kind::Upstream, name));
    app.audit.change(operator.caller(), deed, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask an upstream for its models and offer those that are new, each under its own name.
#[utoipa::path(post, path = "/admin/v1/upstreams/{name}/import", tag = "admin", params(("name" = String, Path)),
    responses((status = 200, body = Imported)))]
async fn import(
    State(app): State<App>,
    operator: Operator,
    Path(name): Path<String>,
) -> Result<Json<Imported>, ApiError> {
    operator.must_be_of_instance()?;
    let upstream = app.routes.upstream(&name).ok_or(ApiError::NotFound { kind: "upstream", id: name.clone() })?;
    let listed = list_models(&upstream).await?;
    let deed = Deed::new("upstream.import", name.clone());
    let added = app.audit.change(operator.caller(), deed, add(&app, &name, &listed)).await?;
    Ok(Json(Imported { listed, added }))
}

async fn add(app: &App, upstream: &str, listed: &[String]) -> Result<Vec<String>, ApiError> {
    let mut added = Vec::new();
    for model in listed.iter().filter(|model| app.routes.choose(model).is_err()) {
        let spec = json!({"name": model, "targets": [{"upstream": upstream, "model": model}]});
        let config: ModelConfig = serde_json::from_value(spec.clone()).map_err(ApiError::internal)?;
        app.routes.edit(&app.ledger, Edit::Create(Entry::Model(Box::new(config)), spec.to_string())).await?;
        added.push(model.clone());
    }
    Ok(added)
}

fn checked(app: &App, body: Body<UpstreamConfig>) -> Result<(UpstreamConfig, String), ApiError> {
    let upstream = body.value;
    names::check("name", &upstream.name)?;
    if let Some(secret) = &upstream.api_key {
        let allowed = secret.may_be_named(app.config.auth.secret_files.as_deref());
        allowed.map_err(|why| ApiError::invalid("api_key", format!("`api_key` {why}")))?;
    }
    Ok((upstream, text(&body.bytes)?))
}

/// The JSON as it was sent: secrets are references in it.
pub(super) fn text(bytes: &[u8]) -> Result<String, ApiError> {
    String::from_utf8(bytes.to_vec()).map_err(ApiError::internal)
}

pub(super) fn same_name(path: &str, body: &str) -> Result<(), ApiError> {
    if path == body {
        return Ok(());
    }
    Err(ApiError::invalid(
        "name",
        format!("`name` is `{body}` and the path says `{path}`; make a new one to rename it"),
    ))
}
