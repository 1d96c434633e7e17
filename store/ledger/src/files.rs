//! Uploaded files. Deleting one is in `removal.rs`, because it reaches into every vector store.

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Select};

use crate::{
    FileRow, Ledger, LedgerError, Owned, Page, PageOf,
    entity::file::{ActiveModel, Column, Entity},
    error::taken,
    page,
};

/// A file whose bytes are in the object store already.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// `file-…`, from [`new_id`](crate::new_id): the bytes were stored under it.
    pub id: String,
    /// The project it was uploaded for.
    pub project: String,
    /// The name the client gave it.
    pub filename: String,
    /// The media type the client named.
    pub media_type: Option<String>,
    /// Length in bytes.
    pub bytes: i64,
    /// SHA-256 of the bytes, lowercase hex.
    pub sha256: String,
    /// OpenAI's purpose.
    pub purpose: String,
    /// When it is to be deleted, Unix seconds.
    pub expires_at: Option<i64>,
}

impl Ledger {
    /// Records an uploaded file.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the tenant has a file of that id.
    pub async fn create_file(&self, tenant: &TenantId, new: NewFile, now: i64) -> Result<Owned<FileRow>, LedgerError> {
        let row = FileRow {
            tenant: tenant.to_string(),
            id: new.id,
            project: new.project,
            filename: new.filename,
            media_type: new.media_type,
            bytes: new.bytes,
            sha256: new.sha256,
            purpose: new.purpose,
            created_at: now,
            expires_at: new.expires_at,
            deleted_at: None,
        };
        let inserted = Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(self.write()).await;
        inserted.map_err(|cause| taken(cause, || format!("file `{}` exists", row.id)))?;
        Ok(Owned::new(tenant, row))
    }

    /// The file of that id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn file(&self, tenant: &TenantId, id: &str) -> Result<Owned<FileRow>, LedgerError> {
        let row = live(tenant).filter(Column::Id.eq(id)).one(self.read()).await?;
        row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("file", id))
    }

    /// A page of the tenant's files, of one purpose or of all.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn files(
        &self,
        tenant: &TenantId,
        page: &Page,
        purpose: Option<&str>,
    ) -> Result<PageOf<FileRow>, LedgerError> {
        let wanted = Condition::all()
            .add(Column::DeletedAt.is_null())
            .add_option(purpose.map(|purpose| Column::Purpose.eq(purpose)));
        page::read(self.read(), of(tenant), wanted, page).await
    }

    /// The tenant's files with exactly this content, so that an upload can be known for a repetition.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn files_with_sha256(&self, tenant: &TenantId, sha256: &str) -> Result<Vec<FileRow>, LedgerError> {
        Ok(live(tenant).filter(Column::Sha256.eq(sha256)).all(self.read()).await?)
    }
}

/// All files of the tenant, deleted ones included.
pub(crate) fn of(tenant: &TenantId) -> Select<Entity> {
    Entity::find().filter(Column::Tenant.eq(tenant.as_str()))
}

/// The files of the tenant that readers see.
pub(crate) fn live(tenant: &TenantId) -> Select<Entity> {
    of(tenant).filter(Column::DeletedAt.is_null())
}
