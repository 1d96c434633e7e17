//! `/v1/vector_stores`: knowledge bases.

mod attributes;
mod batches;
mod files;
mod reranking;
mod search;
mod shape;

use axum::{Json, extract::State};
use kubemate_identity::Scope;
use kubemate_ledger::{NewStore, StoreUpdate};
use kubemate_wire::{
    page::{Deleted, DeletedObject, ListPage, ListQuery},
    vector_stores::{CreateVectorStore, ExpiresAfter, UpdateVectorStore, VectorStore},
};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{metadata, paging::page};
use crate::{
    api::{ApiError, Json as Body, Path, Query, caller::Caller},
    app::{App, unix_now},
    auth::Deed,
};

pub(crate) use attributes::{filter, on_wire as attributes_on_wire};
pub(crate) use search::{limit, ranked};

/// OpenAI's page of vector stores and of their files.
const USUAL: u32 = 20;
/// The most that one page holds.
const MOST: u32 = 100;
/// Most files that one call attaches; OpenAI takes as many in a batch.
const MAX_FILES: usize = 2000;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(fetch, update, delete))
        .merge(files::router())
        .merge(batches::router())
        .merge(search::router())
}

/// Make a knowledge base, with files or without.
#[utoipa::path(post, path = "/v1/vector_stores", tag = "vector stores", responses((status = 200, description = "The store")))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    body: Body<CreateVectorStore>,
) -> Result<Json<VectorStore>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let asked = body.value;
    let files = asked.file_ids.clone().unwrap_or_default();
    if files.len() > MAX_FILES {
        return Err(ApiError::invalid("file_ids", format!("`file_ids` takes at most {MAX_FILES} files")));
    }
    for file in &files {
        app.ledger.file(&caller.tenant, file).await?;
    }
    let row = app.ledger.create_store(&caller.tenant, new_store(&app, &caller, &asked)?, unix_now()).await?;
    for file in files {
        files::attach(&app, &caller, &row.id, files::Attaching::plain(file)).await?;
    }
    app.audit.record(&caller, Deed::new("vector_store.create", row.id.clone())).await;
    Ok(Json(shape::store(&app, &caller, &row).await?))
}

fn new_store(app: &App, caller: &Caller, asked: &CreateVectorStore) -> Result<NewStore, ApiError> {
    if let Some(named) = asked.embedding_model.as_ref().filter(|named| !caller.rights.allows_model(named)) {
        return Err(ApiError::ModelNotFound(named.clone()));
    }
    let embedder = asked.embedding_model.clone().unwrap_or_else(|| app.config.corpus.embedder.clone());
    if app.local.kind(&embedder) != Some(kubemate_engine::ModelKind::Embedder) {
        let message = format!("`{embedder}` is no embedder on this machine; see `kubemate models list`");
        return Err(ApiError::invalid("embedding_model", message));
    }
    Ok(NewStore {
        name: asked.name.clone().unwrap_or_default(),
        description: asked.description.clone(),
        metadata: metadata_row(asked.metadata.as_ref())?,
        chunking: shape::chunking_row(asked.chunking_strategy.as_ref())?,
        embedder,
        expires_after: asked.expires_after.as_ref().map(expiry).transpose()?,
    })
}

fn metadata_row(pairs: Option<&kubemate_wire::Metadata>) -> Result<Value, ApiError> {
    metadata::check(pairs)?;
    let Some(metadata) = pairs else { return Ok(Value::Object(serde_json::Map::new())) };
    serde_json::to_value(metadata).map_err(ApiError::internal)
}

fn expiry(after: &ExpiresAfter) -> Result<Value, ApiError> {
    if !(1..=365).contains(&after.days) {
        return Err(ApiError::invalid("expires_after.days", "`expires_after.days` must be between 1 and 365"));
    }
    serde_json::to_value(after).map_err(ApiError::internal)
}

/// The tenant's knowledge bases, newest first.
#[utoipa::path(get, path = "/v1/vector_stores", tag = "vector stores", responses((status = 200, description = "A page of stores")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListPage<VectorStore>>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let rows = app.ledger.stores(&caller.tenant, &page(&query, USUAL, MOST)?).await?;
    let mut stores = Vec::with_capacity(rows.data.len());
    for row in &rows.data {
        stores.push(shape::store(&app, &caller, row).await?);
    }
    Ok(Json(ListPage::new(stores, rows.has_more, |store: &VectorStore| &store.id)))
}

/// One knowledge base.
#[utoipa::path(get, path = "/v1/vector_stores/{id}", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "The store")))]
async fn fetch(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<VectorStore>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let row = app.ledger.store(&caller.tenant, &id).await?;
    Ok(Json(shape::store(&app, &caller, &row).await?))
}

/// Change name, expiry or metadata.
#[utoipa::path(post, path = "/v1/vector_stores/{id}", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "The store")))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<UpdateVectorStore>,
) -> Result<Json<VectorStore>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let asked = body.value;
    let change = StoreUpdate {
        name: asked.name.map(Option::unwrap_or_default),
        expires_after: asked.expires_after.map(|after| after.as_ref().map(expiry).transpose()).transpose()?,
        metadata: asked.metadata.map(|pairs| metadata_row(pairs.as_ref())).transpose()?,
    };
    let row = app.ledger.update_store(&caller.tenant, &id, change, unix_now()).await?;
    app.audit.record(&caller, Deed::new("vector_store.update", id)).await;
    Ok(Json(shape::store(&app, &caller, &row).await?))
}

/// Delete a knowledge base; the files stay.
#[utoipa::path(delete, path = "/v1/vector_stores/{id}", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "It is gone")))]
async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Deleted>, ApiError> {
    caller.must(Scope::VectorStores)?;
    if !app.ledger.delete_store(&caller.tenant, &id, unix_now()).await? {
        return Err(ApiError::NotFound { kind: "vector store", id });
    }
    app.audit.record(&caller, Deed::new("vector_store.delete", id.clone())).await;
    Ok(Json(Deleted::new(DeletedObject::VectorStore, id)))
}
