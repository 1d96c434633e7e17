//! Files of a knowledge base.

use axum::{Json, extract::State};
use kubemate_identity::Scope;
use kubemate_ledger::{DocumentRow, DocumentStatus, NewDocument, Owned};
use kubemate_wire::{
    page::{Deleted, DeletedObject, ListPage, ListQuery},
    vector_stores::{
        AttachFile, Attributes, ChunkingStrategy, ContentPage, ContentPart, FileStatus, UpdateFile, VectorStoreFile,
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{MOST, USUAL, attributes, shape};
use crate::{
    api::{ApiError, Json as Body, Path, Query, caller::Caller, v1::paging::page},
    app::{App, unix_now},
    auth::Deed,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(fetch, update, delete)).routes(routes!(content))
}

/// One file that is to be attached.
pub(super) struct Attaching {
    pub(super) file: String,
    pub(super) attributes: Option<Attributes>,
    pub(super) chunking: Option<ChunkingStrategy>,
    pub(super) batch: Option<String>,
}

impl Attaching {
    /// Without attributes, cut as the store says.
    pub(super) fn plain(file: String) -> Self {
        Self { file, attributes: None, chunking: None, batch: None }
    }

    /// What the ledger writes.
    ///
    /// # Errors
    /// `Invalid` for attributes or sizes out of range.
    pub(super) fn row(self) -> Result<NewDocument, ApiError> {
        Ok(NewDocument {
            attributes: attributes::row(self.attributes.as_ref())?,
            chunking: shape::chunking_row(self.chunking.as_ref())?,
            file: self.file,
            batch: self.batch,
        })
    }
}

/// Writes document and job in one transaction and wakes a worker.
pub(super) async fn attach(
    app: &App,
    caller: &Caller,
    store: &str,
    attaching: Attaching,
) -> Result<Owned<DocumentRow>, ApiError> {
    let row = app.ledger.attach(&caller.tenant, store, attaching.row()?, unix_now()).await?;
    Ok(row)
}

/// Attach a file; it becomes searchable in the background.
#[utoipa::path(post, path = "/v1/vector_stores/{id}/files", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "The file, in progress")))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<AttachFile>,
) -> Result<Json<VectorStoreFile>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let AttachFile { file_id, attributes, chunking_strategy } = body.value;
    let attaching = Attaching { file: file_id, attributes, chunking: chunking_strategy, batch: None };
    let row = attach(&app, &caller, &id, attaching).await?;
    app.audit.record(&caller, Deed::new("vector_store.attach", format!("{id}/{}", row.file))).await;
    Ok(Json(shape::file(&app, &row)))
}

/// The files of a knowledge base, newest first.
#[utoipa::path(get, path = "/v1/vector_stores/{id}/files", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "A page of files")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListPage<VectorStoreFile>>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let wanted = query.filter.map(status);
    let rows = app.ledger.documents(&caller.tenant, &id, &page(&query, USUAL, MOST)?, wanted).await?;
    let files = rows.data.iter().map(|row| shape::file(&app, row)).collect();
    Ok(Json(ListPage::new(files, rows.has_more, |file: &VectorStoreFile| &file.id)))
}

pub(super) fn status(status: FileStatus) -> DocumentStatus {
    match status {
        FileStatus::InProgress => DocumentStatus::InProgress,
        FileStatus::Completed => DocumentStatus::Completed,
        FileStatus::Failed => DocumentStatus::Failed,
        FileStatus::Cancelled => DocumentStatus::Cancelled,
    }
}

/// One file of a knowledge base, with its progress.
#[utoipa::path(get, path = "/v1/vector_stores/{id}/files/{file}", tag = "vector stores",
    params(("id" = String, Path), ("file" = String, Path)), responses((status = 200, description = "The file")))]
async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<VectorStoreFile>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let row = app.ledger.document(&caller.tenant, &id, &file).await?;
    Ok(Json(shape::file(&app, &row)))
}

/// Replace the attributes that filters see.
#[utoipa::path(post, path = "/v1/vector_stores/{id}/files/{file}", tag = "vector stores",
    params(("id" = String, Path), ("file" = String, Path)), responses((status = 200, description = "The file")))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
    body: Body<UpdateFile>,
) -> Result<Json<VectorStoreFile>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let row = attributes::row(body.value.attributes.as_ref())?;
    let row = app.ledger.update_attributes(&caller.tenant, &id, &file, row, unix_now()).await?;
    app.audit.record(&caller, Deed::new("vector_store.update_file", format!("{id}/{file}"))).await;
    Ok(Json(shape::file(&app, &row)))
}

/// Take a file out of a knowledge base; no answer sees it any more, its passages are removed in the background.
#[utoipa::path(delete, path = "/v1/vector_stores/{id}/files/{file}", tag = "vector stores",
    params(("id" = String, Path), ("file" = String, Path)), responses((status = 200, description = "It is gone")))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<Deleted>, ApiError> {
    caller.must(Scope::VectorStores)?;
    if !app.ledger.detach(&caller.tenant, &id, &file, unix_now()).await? {
        return Err(ApiError::NotFound { kind: "file", id: file });
    }
    app.audit.record(&caller, Deed::new("vector_store.detach", format!("{id}/{file}"))).await;
    Ok(Json(Deleted::new(DeletedObject::VectorStoreFile, file)))
}

/// The stored text of a file: what the spans of citations are places in.
#[utoipa::path(get, path = "/v1/vector_stores/{id}/files/{file}/content", tag = "vector stores",
    params(("id" = String, Path), ("file" = String, Path)), responses((status = 200, description = "The text")))]
async fn content(
    State(app): State<App>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<ContentPage>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let text = app.corpus.text(&caller.tenant, &id, &file).await?;
    Ok(Json(ContentPage { data: vec![ContentPart { text }], has_more: false, next_page: None }))
}
