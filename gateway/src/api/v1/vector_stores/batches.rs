//! Many files attached by one call.

use axum::{Json, extract::State};
use kubemate_identity::Scope;
use kubemate_wire::{
    page::{ListPage, ListQuery},
    vector_stores::{CreateFileBatch, FileBatch, VectorStoreFile},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{MAX_FILES, MOST, USUAL, files, files::Attaching, shape};
use crate::{
    api::{ApiError, Json as Body, Path, Query, caller::Caller, v1::paging::page},
    app::{App, unix_now},
    auth::Deed,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(fetch)).routes(routes!(cancel)).routes(routes!(list))
}

/// Attach many files.
#[utoipa::path(post, path = "/v1/vector_stores/{id}/file_batches", tag = "vector stores", params(("id" = String, Path)),
    responses((status = 200, description = "The batch, in progress")))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body<CreateFileBatch>,
) -> Result<Json<FileBatch>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let rows = attachings(body.value)?.into_iter().map(Attaching::row).collect::<Result<Vec<_>, _>>()?;
    let batch = app.ledger.create_batch(&caller.tenant, &id, rows, unix_now()).await?;
    app.audit.record(&caller, Deed::new("vector_store.attach_batch", format!("{id}/{}", batch.id))).await;
    let counts = app.ledger.batch_counts(&caller.tenant, &id, &batch.id).await?;
    Ok(Json(shape::batch(&batch, &counts)))
}

fn attachings(asked: CreateFileBatch) -> Result<Vec<Attaching>, ApiError> {
    let files = match (asked.file_ids, asked.files) {
        (Some(ids), None) => {
            let (attributes, chunking) = (asked.attributes, asked.chunking_strategy);
            let one =
                |file| Attaching { file, attributes: attributes.clone(), chunking: chunking.clone(), batch: None };
            ids.into_iter().map(one).collect::<Vec<_>>()
        }
        (None, Some(files)) => files
            .into_iter()
            .map(|one| Attaching {
                file: one.file_id,
                attributes: one.attributes,
                chunking: one.chunking_strategy,
                batch: None,
            })
            .collect(),
        _ => return Err(ApiError::invalid("file_ids", "send either `file_ids` or `files`")),
    };
    match files.len() {
        1..=MAX_FILES => Ok(files),
        _ => Err(ApiError::invalid("file_ids", format!("a batch takes 1 to {MAX_FILES} files"))),
    }
}

/// A batch and how far it is.
#[utoipa::path(get, path = "/v1/vector_stores/{id}/file_batches/{batch}", tag = "vector stores",
    params(("id" = String, Path), ("batch" = String, Path)), responses((status = 200, description = "The batch")))]
async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Path((id, batch)): Path<(String, String)>,
) -> Result<Json<FileBatch>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let row = app.ledger.batch(&caller.tenant, &id, &batch).await?;
    let counts = app.ledger.batch_counts(&caller.tenant, &id, &batch).await?;
    Ok(Json(shape::batch(&row, &counts)))
}

/// Call off what is not searchable yet.
#[utoipa::path(post, path = "/v1/vector_stores/{id}/file_batches/{batch}/cancel", tag = "vector stores",
    params(("id" = String, Path), ("batch" = String, Path)), responses((status = 200, description = "The batch")))]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path((id, batch)): Path<(String, String)>,
) -> Result<Json<FileBatch>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let row = app.ledger.cancel_batch(&caller.tenant, &id, &batch, unix_now()).await?;
    app.audit.record(&caller, Deed::new("vector_store.cancel_batch", format!("{id}/{batch}"))).await;
    let counts = app.ledger.batch_counts(&caller.tenant, &id, &batch).await?;
    Ok(Json(shape::batch(&row, &counts)))
}

/// The files of a batch.
#[utoipa::path(get, path = "/v1/vector_stores/{id}/file_batches/{batch}/files", tag = "vector stores",
    params(("id" = String, Path), ("batch" = String, Path)), responses((status = 200, description = "A page of files")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((id, batch)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListPage<VectorStoreFile>>, ApiError> {
    caller.must(Scope::VectorStores)?;
    let (window, wanted) = (page(&query, USUAL, MOST)?, query.filter.map(files::status));
    let rows = app.ledger.batch_documents(&caller.tenant, &id, &batch, &window, wanted).await?;
    let files = rows.data.iter().map(|row| shape::file(&app, row)).collect();
    Ok(Json(ListPage::new(files, rows.has_more, |file: &VectorStoreFile| &file.id)))
}
