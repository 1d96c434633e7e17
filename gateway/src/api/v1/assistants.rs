//! `/v1/assistants`: saved assistants, which appear as models named by the tenant.

mod limits;

use axum::{Json, extract::State};
use kubemate_identity::Scope;
use kubemate_ledger::{AssistantRow, NewAssistant};
use kubemate_wire::{
    assistants::{Assistant, AssistantTool, FileSearchResources, SaveAssistant, ToolResources},
    page::{Deleted, DeletedObject, ListPage, ListQuery},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::paging::page;
use crate::{
    api::{ApiError, Json as Body, Path, Query, caller::Caller},
    app::{App, unix_now},
    auth::Deed,
};

/// OpenAI's page of assistants.
const USUAL: u32 = 20;
/// The most that one page holds.
const MOST: u32 = 100;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(fetch, update, delete))
}

/// What of an assistant has no column of its own.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) description: Option<String>,
    pub(crate) metadata: Option<kubemate_wire::Metadata>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
}

impl Settings {
    /// The settings of a stored assistant.
    pub(crate) fn of(row: &AssistantRow) -> Self {
        serde_json::from_value(row.settings.clone()).unwrap_or_default()
    }
}

/// Save an assistant; its `name` becomes a model of this tenant.
#[utoipa::path(post, path = "/v1/assistants", tag = "assistants", responses((status = 200, description = "The assistant")))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body<SaveAssistant>,
) -> Result<Json<Assistant>, ApiError> {
    caller.must(Scope::Assistants)?;
    let new = changed(&app, &caller, None, body.value).await?;
    let row = app.ledger.create_assistant(&caller.tenant, new, unix_now()).await?;
    app.saved_names.forget(&caller.tenant);
    app.audit.record(&caller, Deed::new("assistant.create", row.id.clone())).await;
    Ok(Json(object(&row)))
}

/// `asked` on top of what is saved already.
async fn changed(
    app: &App,
    caller: &Caller,
    saved: Option<&AssistantRow>,
    asked: SaveAssistant,
) -> Result<NewAssistant, ApiError> {
    limits::check(&asked)?;
    refuse_other_tools(asked.tools.iter().flatten().flatten())?;
    let name = name(saved, asked.name)?;
    let model = asked.model.or_else(|| saved.map(|row| row.model.clone()));
    let model =
        model.ok_or_else(|| ApiError::invalid("model", "`model` is missing: name the model behind the assistant"))?;
    check_names(app, caller, &name, &model)?;
    let before = saved.map(Settings::of).unwrap_or_default();
    let settings = Settings {
        description: asked.description.unwrap_or(before.description),
        metadata: asked.metadata.unwrap_or(before.metadata),
        temperature: asked.temperature.unwrap_or(before.temperature),
        top_p: asked.top_p.unwrap_or(before.top_p),
    };
    let instructions = asked.instructions.map(Option::unwrap_or_default);
    Ok(NewAssistant {
        name,
        model,
        instructions: instructions.or_else(|| saved.map(|row| row.instructions.clone())).unwrap_or_default(),
        store_ids: stores(app, caller, saved, asked.tool_resources).await?,
        settings: serde_json::to_value(settings).map_err(ApiError::internal)?,
    })
}

fn name(saved: Option<&AssistantRow>, asked: Option<Option<String>>) -> Result<String, ApiError> {
    // A null would clear it, and without a name nobody could ask for the assistant.
    let name = asked.unwrap_or_else(|| saved.map(|row| row.name.clone())).filter(|name| !name.trim().is_empty());
    name.ok_or_else(|| ApiError::invalid("name", "`name` is what clients ask for as a model: 1 to 256 characters"))
}

/// The knowledge bases behind it. Whoever names one must be allowed to read it: the assistant answers from it for
/// every key of the tenant. Those that were named before stay, even when one of them is gone by now.
async fn stores(
    app: &App,
    caller: &Caller,
    saved: Option<&AssistantRow>,
    asked: Option<Option<ToolResources>>,
) -> Result<Vec<String>, ApiError> {
    let named = match asked {
        None | Some(Some(ToolResources { file_search: None })) => {
            return Ok(saved.map(AssistantRow::stores).unwrap_or_default());
        }
        Some(None) => Vec::new(),
        Some(Some(ToolResources { file_search: Some(resources) })) => resources.unwrap_or_default().vector_store_ids,
    };
    if !named.is_empty() {
        caller.must(Scope::VectorStores)?;
    }
    for store in &named {
        app.ledger.store(&caller.tenant, store).await?;
    }
    Ok(named)
}

fn check_names(app: &App, caller: &Caller, name: &str, model: &str) -> Result<(), ApiError> {
    if app.routes.models().iter().any(|known| known.id == name) {
        return Err(ApiError::Conflict(format!("`{name}` is a model already; choose another `name`")));
    }
    if !caller.rights.allows_model(model) {
        return Err(ApiError::ModelNotFound(model.to_owned()));
    }
    app.routes.choose(model).map(drop)
}

fn refuse_other_tools<'a>(mut tools: impl Iterator<Item = &'a AssistantTool>) -> Result<(), ApiError> {
    match tools.find(|tool| tool.kind != "file_search") {
        Some(tool) => Err(ApiError::unsupported("tools", format!("tools of type `{}` are not served", tool.kind))),
        None => Ok(()),
    }
}

/// The saved assistants of this tenant, newest first.
#[utoipa::path(get, path = "/v1/assistants", tag = "assistants", responses((status = 200, description = "A page of assistants")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListPage<Assistant>>, ApiError> {
    caller.must(Scope::Assistants)?;
    let rows = app.ledger.assistants(&caller.tenant, &page(&query, USUAL, MOST)?).await?;
    let assistants = rows.data.iter().map(object).collect();
    Ok(Json(ListPage::new(assistants, rows.has_more, |assistant: &Assistant| &assistant.id)))
}

/// One saved assistant.
#[utoipa::path(get, path = "/v1/assistants/{id}", tag = "assistants", params(("id" = String, Path)),
    responses((status = 200, description = "The assistant")))]
async fn fetch(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Assistant>, ApiError> {
    caller.must(Scope::Assistants)?;
    let row = app.ledger.assistant(&caller.tenant, &id).await?;
    Ok(Json(object(&row)))
}

/// Change a saved assistant.
#[utoipa::path(post, path = "/v1/assistants/{id}", tag = "assistants", params(("id" = String, Path)),
    responses((status = 200, description = "The assistant")))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<SaveAssistant>,
) -> Result<Json<Assistant>, ApiError> {
    caller.must(Scope::Assistants)?;
    let saved = app.ledger.assistant(&caller.tenant, &id).await?;
    let new = changed(&app, &caller, Some(&saved), body.value).await?;
    let row = app.ledger.update_assistant(&caller.tenant, &id, new, unix_now()).await?;
    app.saved_names.forget(&caller.tenant);
    app.audit.record(&caller, Deed::new("assistant.update", id)).await;
    Ok(Json(object(&row)))
}

/// Delete a saved assistant; its knowledge bases stay.
#[utoipa::path(delete, path = "/v1/assistants/{id}", tag = "assistants", params(("id" = String, Path)),
    responses((status = 200, description = "It is gone")))]
async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Deleted>, ApiError> {
    caller.must(Scope::Assistants)?;
    if !app.ledger.delete_assistant(&caller.tenant, &id).await? {
        return Err(ApiError::NotFound { kind: "assistant", id });
    }
    app.saved_names.forget(&caller.tenant);
    app.audit.record(&caller, Deed::new("assistant.delete", id.clone())).await;
    Ok(Json(Deleted::new(DeletedObject::Assistant, id)))
}

fn object(row: &AssistantRow) -> Assistant {
    let settings = Settings::of(row);
    let vector_store_ids = row.stores();
    let tool = || AssistantTool { kind: "file_search".to_owned(), other: serde_json::Map::new() };
    Assistant {
        id: row.id.clone(),
        created_at: row.created_at,
        name: Some(row.name.clone()),
        description: settings.description,
        model: row.model.clone(),
        instructions: Some(row.instructions.clone()),
        tools: if vector_store_ids.is_empty() { Vec::new() } else { vec![tool()] },
        tool_resources: Some(ToolResources {
            file_search: Some(Some(FileSearchResources { vector_store_ids, vector_stores: None })),
        }),
        metadata: Some(settings.metadata.unwrap_or_default()),
        temperature: settings.temperature,
        top_p: settings.top_p,
    }
}
