//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use axum::{Json, extract::State};
use kubemate_engine::{CatalogueEntry, ModelKind, catalogue};
use kubemate_identity::Scope;
use kubemate_wire::{
    models::Model,
    ollama::{ModelDetails, ModelEntry, Named, Running, RunningList, ShowResponse, Tags, Version},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::known_as;
use crate::{
    api::{ApiError, Unlabelled, caller::Caller, v1},
    app::App,
    models::Target,
    ollama::Manager,
};

/// The Ollama whose API this is: clients ask before they use what is new in it.
const SERVED: &str = "0.17.4";
/// When models of this process are let go: never. Ollama's clients want a date.
const NEVER: &str = "9999-12-31T23:59:59Z";

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(tags)).routes(routes!(show)).routes(routes!(ps)).routes(routes!(version))
}

/// The models and saved assistants that this key may use.
#[utoipa::path(get, path = "/api/tags", tag = "ollama", responses((status = 200, description = "Models")))]
async fn tags(State(app): State<App>, caller: Caller) -> Result<Json<Tags>, ApiError> {
    let models = v1::visible(&app, &caller).await?;
    Ok(Json(Tags { models: models.iter().map(entry).collect() }))
}

fn entry(model: &Model) -> ModelEntry {
    let local = local(&model.id);
    let created = OffsetDateTime::from_unix_timestamp(model.created).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    ModelEntry {
        name: model.id.clone(),
        model: model.id.clone(),
        modified_at: created.format(&Rfc3339).unwrap_or_default(),
        size: local.map_or(0, bytes),
        digest: digest(&model.id),
        details: details(&model.id),
    }
}

fn local(name: &str) -> Option<&'static CatalogueEntry> {
    catalogue().iter().find(|entry| entry.name == name)
}

fn bytes(entry: &CatalogueEntry) -> u64 {
    entry.files.iter().map(|file| file.bytes).sum()
}

/// Of the weights where they are ours; of the name elsewhere, so that clients can tell models apart.
fn digest(name: &str) -> String {
    local(name).map_or_else(|| hex::encode(Sha256::digest(name)), |entry| entry.revision().to_owned())
}

fn details(name: &str) -> ModelDetails {
    let file = local(name).and_then(|entry| entry.files.first()).map(|file| file.name());
    let format = file.and_then(|file| Some(file.rsplit_once('.')?.1.to_owned()));
    ModelDetails { format: format.unwrap_or_default(), ..ModelDetails::default() }
}

/// The models in memory here; those of other servers are theirs to tell.
#[utoipa::path(get, path = "/api/ps", tag = "ollama", responses((status = 200, description = "Models in memory")))]
async fn ps(State(app): State<App>, caller: Caller) -> Result<Json<RunningList>, ApiError> {
    caller.must(Scope::Models)?;
    let loaded = app.local.present().into_iter().filter(|entry| app.local.is_loaded(entry.name));
    let seen = loaded.filter(|entry| caller.rights.allows_model(entry.name));
    let running = |entry: &CatalogueEntry| Running {
        name: entry.name.to_owned(),
        model: entry.name.to_owned(),
        size: bytes(entry),
        digest: digest(entry.name),
        details: details(entry.name),
        expires_at: NEVER.to_owned(),
        size_vram: 0,
        context_length: 0,
    };
    Ok(Json(RunningList { models: seen.map(running).collect() }))
}

/// What a model can do.
#[utoipa::path(post, path = "/api/show", tag = "ollama", responses((status = 200, description = "A model in detail")))]
async fn show(State(app): State<App>, caller: Caller, body: Unlabelled) -> Result<Json<ShowResponse>, ApiError> {
    let asked = body.0.typed::<Named>()?.value.model;
    let name = known_as(&app, &asked);
    let found = v1::visible(&app, &caller).await?.into_iter().find(|model| model.id == name);
    let model = found.ok_or(ApiError::ModelNotFound(asked))?;
    let told = told_there(&app, &name).await;
    let modified_at = Some(entry(&model).modified_at);
    Ok(Json(ShowResponse { modified_at, ..told.unwrap_or_else(|| told_here(&app, &name)) }))
}

/// What an Ollama says of its own model, without what is its operator's affair: paths, prompts and licences. Clients read
/// the length of the context and what the model can do.
async fn told_there(app: &App, name: &str) -> Option<ShowResponse> {
    let Ok(Target::Remote(upstream, there)) = app.routes.choose(name) else { return None };
    if !upstream.speaks_ollama() {
        return None;
    }
    let shown = Manager::of(&app.routes, &upstream.name).ok()?.show(&there).await.ok()?;
    let mut model_info = shown.model_info;
    model_info.retain(|fact, _| !fact.starts_with("tokenizer."));
    let details = ModelDetails { parent_model: String::new(), ..shown.details };
    Some(ShowResponse { details, model_info, capabilities: shown.capabilities, ..ShowResponse::default() })
}

fn told_here(app: &App, name: &str) -> ShowResponse {
    let info = [("general.basename".to_owned(), Value::from(name))];
    ShowResponse {
        details: details(name),
        model_info: Map::from_iter(info),
        capabilities: capabilities(app, name).iter().map(|&one| one.to_owned()).collect(),
        ..ShowResponse::default()
    }
}

/// What may be asked of a model here. Whether a model elsewhere is good at it is its own affair.
fn capabilities(app: &App, name: &str) -> &'static [&'static str] {
    match app.routes.choose(name) {
        Ok(Target::Local(name)) if app.local.kind(&name) == Some(ModelKind::Embedder) => &["embedding"],
        Ok(Target::Remote(..)) => &["completion", "tools"],
        _ => &["completion"],
    }
}

/// Which Ollama's API this is. Needs no key, as at Ollama.
#[utoipa::path(get, path = "/api/version", tag = "ollama", responses((status = 200, description = "A version")))]
async fn version() -> Json<Version> {
    Json(Version { version: SERVED.to_owned() })
}
