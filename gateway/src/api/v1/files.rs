//! `/v1/files`.

mod filename;
mod upload;

use axum::{
    Json,
    body::Body,
    extract::{DefaultBodyLimit, State},
    response::Response,
};
use http::{HeaderValue, header};
use kubemate_identity::Scope;
use kubemate_ledger::FileRow;
use kubemate_objects::ObjectKey;
use kubemate_wire::{
    files::{FileObject, FileState},
    page::{Deleted, DeletedObject, ListPage, ListQuery},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::paging::page;
use crate::{
    api::{ApiError, Path, Query, Upload, caller::Caller},
    app::{App, unix_now},
    auth::Deed,
};

/// OpenAI lists up to 10,000 files at once, and that many when no limit is named.
const MOST_LISTED: u32 = 10_000;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(upload_file, list))
        .layer(DefaultBodyLimit::disable()) // uploads are capped piece by piece
        .routes(routes!(fetch, delete))
        .routes(routes!(content))
}

/// Upload a file: a form with `file` and `purpose`.
#[utoipa::path(post, path = "/v1/files", tag = "files", responses((status = 200, description = "The file")))]
async fn upload_file(
    State(app): State<App>,
    caller: Caller,
    Upload(form): Upload,
) -> Result<Json<FileObject>, ApiError> {
    caller.must(Scope::Files)?;
    let file = upload::receive(&app, &caller, form).await?;
    app.audit.record(&caller, Deed::new("file.upload", file.id.clone())).await;
    Ok(Json(object(&file)))
}

/// The tenant's files, newest first.
#[utoipa::path(get, path = "/v1/files", tag = "files", responses((status = 200, description = "A page of files")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ListPage<FileObject>>, ApiError> {
    caller.must(Scope::Files)?;
    let rows =
        app.ledger.files(&caller.tenant, &page(&query, MOST_LISTED, MOST_LISTED)?, query.purpose.as_deref()).await?;
    let files = rows.data.iter().map(object).collect();
    Ok(Json(ListPage::new(files, rows.has_more, |file: &FileObject| &file.id)))
}

/// One file.
#[utoipa::path(get, path = "/v1/files/{id}", tag = "files", params(("id" = String, Path)),
    responses((status = 200, description = "The file")))]
async fn fetch(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<FileObject>, ApiError> {
    caller.must(Scope::Files)?;
    let row = app.ledger.file(&caller.tenant, &id).await?;
    Ok(Json(object(&row)))
}

/// Delete a file, everywhere: it leaves every vector store at once, its bytes follow.
#[utoipa::path(delete, path = "/v1/files/{id}", tag = "files", params(("id" = String, Path)),
    responses((status = 200, description = "It is gone")))]
async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Deleted>, ApiError> {
    caller.must(Scope::Files)?;
    if !app.ledger.delete_file(&caller.tenant, &id, unix_now()).await? {
        return Err(ApiError::NotFound { kind: "file", id });
    }
    app.audit.record(&caller, Deed::new("file.delete", id.clone())).await;
    Ok(Json(Deleted::new(DeletedObject::File, id)))
}

/// The bytes of a file.
#[utoipa::path(get, path = "/v1/files/{id}/content", tag = "files", params(("id" = String, Path)),
    responses((status = 200, description = "The bytes")))]
async fn content(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, ApiError> {
    caller.must(Scope::Files)?;
    let file = app.ledger.file(&caller.tenant, &id).await?;
    let bytes = app.objects.get(&caller.tenant, &bytes_key(&id)?).await?;
    app.audit.record(&caller, Deed::new("file.export", id.clone())).await;
    let mut response = Response::new(Body::from_stream(bytes));
    let headers = response.headers_mut();
    // Never the stored media type: a page uploaded as a file must not run in a browser.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(file.bytes));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

/// Where the bytes of a file are.
pub(super) fn bytes_key(id: &str) -> Result<ObjectKey, ApiError> {
    ObjectKey::parse(&format!("files/{id}")).map_err(ApiError::internal)
}

fn object(row: &FileRow) -> FileObject {
    FileObject {
        id: row.id.clone(),
        bytes: row.bytes.unsigned_abs(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        filename: row.filename.clone(),
        purpose: row.purpose.clone(),
        status: FileState::Processed,
    }
}
