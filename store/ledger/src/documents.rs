//! Documents: files in vector stores. A document's row and the job that indexes it are written together.
//!
//! Attaching a file again does nothing when nothing would change (same attributes, same chunking, waiting
//! or completed). Otherwise the document gets a new version and a new job; its running job is called off,
//! and the version that was searchable stays so until the new one is complete.

use kubemate_identity::TenantId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select,
};

use crate::{
    DocumentRow, DocumentStatus, Json, Ledger, LedgerError, Owned, Page, PageOf, StoreRow,
    entity::{
        document::{ActiveModel, Column, Entity},
        file,
    },
    files,
    jobs::{self, JobKind},
    page, stores,
};

/// What a client attaches to a vector store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// A file of the same tenant.
    pub file: String,
    /// Attributes that filters see: a JSON object.
    pub attributes: Json,
    /// How it is to be cut; `null`: as the store says.
    pub chunking: Json,
    /// The batch it comes with. [`Ledger::create_batch`] fills it in.
    pub batch: Option<String>,
}

impl Ledger {
    /// Attaches a file to a vector store: the document and its job, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the store or the file, [`LedgerError::Invalid`] for an expired store.
    pub async fn attach(
        &self,
        tenant: &TenantId,
        store: &str,
        new: NewDocument,
        now: i64,
    ) -> Result<Owned<DocumentRow>, LedgerError> {
        let txn = self.begin().await?;
        hold_files(&txn, tenant, &[new.file.as_str()]).await?;
        let store = stores::lock_open(&txn, tenant, store, now).await?;
        let version = stores::reserve(&txn, &store, 1).await?;
        let row = attach(&txn, tenant, &store, new, version, now).await?;
        self.commit_jobs(txn).await?;
        Ok(Owned::new(tenant, row))
    }

    /// The document that a file is in a vector store.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn document(
        &self,
        tenant: &TenantId,
        store: &str,
        file: &str,
    ) -> Result<Owned<DocumentRow>, LedgerError> {
        find(self.read(), tenant, store, file).await
    }

    /// A page of a vector store's documents, of one status or of all. Cursors are file ids.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the store, [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn documents(
        &self,
        tenant: &TenantId,
        store: &str,
        page: &Page,
        status: Option<DocumentStatus>,
    ) -> Result<PageOf<DocumentRow>, LedgerError> {
        self.store(tenant, store).await?;
        page::read(self.read(), of(tenant, store), wanted(status), page).await
    }

    /// Documents of a store that were made from exactly this content and are searchable.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn documents_with_content(
        &self,
        tenant: &TenantId,
        store: &str,
        sha256: &str,
    ) -> Result<Vec<DocumentRow>, LedgerError> {
        let same = of(tenant, store).filter(wanted(None)).filter(Column::ContentSha256.eq(sha256));
        Ok(same.filter(Column::SearchableVersion.is_not_null()).all(self.read()).await?)
    }

    /// Gives a document other attributes. When it is or will be indexed, a new version carries them into the
    /// index; a completed document stays `completed` and searchable with the old ones until that is done.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn update_attributes(
        &self,
        tenant: &TenantId,
        store: &str,
        file: &str,
        attributes: Json,
        now: i64,
    ) -> Result<Owned<DocumentRow>, LedgerError> {
        let txn = self.begin().await?;
        let store = stores::lock_open(&txn, tenant, store, now).await?;
        let mut row = find(&txn, tenant, &store.id, file).await?.into_inner();
        if row.attributes == attributes {
            return Ok(Owned::new(tenant, row));
        }
        row.attributes = attributes;
        row.updated_at = now;
        if matches!(row.status, DocumentStatus::InProgress | DocumentStatus::Completed) {
            row.version = stores::reserve(&txn, &store, 1).await?;
            row.residue = true;
            row.percent = 0;
            requeue(&txn, tenant, &row, now).await?;
        }
        write(&txn, &row).await?;
        self.commit_jobs(txn).await?;
        Ok(Owned::new(tenant, row))
    }

    /// Calls off the indexing of a document. What was searchable stays so. `false`: there was nothing to call off.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn cancel_document_job(
        &self,
        tenant: &TenantId,
        store: &str,
        file: &str,
        now: i64,
    ) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        stores::lock(&txn, tenant, store).await?;
        let mut row = find(&txn, tenant, store, file).await?.into_inner();
        if row.status != DocumentStatus::InProgress {
            return Ok(false);
        }
        jobs::cancel_indexing(&txn, tenant, jobs::about(store, file), now.saturating_mul(1000)).await?;
        row.status = DocumentStatus::Cancelled;
        row.stage = "cancelled".to_owned();
        row.updated_at = now;
        write(&txn, &row).await?;
        txn.commit().await?;
        Ok(true)
    }
}

/// Attaches one file within the caller's transaction. The store is locked, the file held, `version` reserved.
pub(crate) async fn attach<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    store: &StoreRow,
    new: NewDocument,
    version: i64,
    now: i64,
) -> Result<DocumentRow, LedgerError> {
    let Some(mut row) = of(tenant, &store.id).filter(Column::File.eq(&new.file)).one(db).await? else {
        let row = fresh(tenant, store, new, version, now);
        Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(db).await?;
        enqueue(db, tenant, &row, now).await?;
        return Ok(row);
    };
    let known = row.deleted_at.is_none();
    let settled = known
        && matches!(row.status, DocumentStatus::InProgress | DocumentStatus::Completed)
        && row.attributes == new.attributes
        && row.chunking == new.chunking;
    row.batch = new.batch.clone().or(row.batch);
    if !settled {
        row = again(row, tenant, store, new, version, now);
        requeue(db, tenant, &row, now).await?;
    }
    write(db, &row).await?;
    Ok(row)
}

fn fresh(tenant: &TenantId, store: &StoreRow, new: NewDocument, version: i64, now: i64) -> DocumentRow {
    DocumentRow {
        tenant: tenant.to_string(),
        store: store.id.clone(),
        file: new.file,
        status: DocumentStatus::InProgress,
        error_code: None,
        error_message: None,
        usage_bytes: 0,
        chunks: 0,
        attributes: new.attributes,
        chunking: new.chunking,
        version,
        searchable_version: None,
        residue: false,
        percent: 0,
        stage: "queued".to_owned(),
        batch: new.batch,
        content_sha256: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// The next version of a document that was there before. One that was detached starts from nothing.
fn again(
    before: DocumentRow,
    tenant: &TenantId,
    store: &StoreRow,
    new: NewDocument,
    version: i64,
    now: i64,
) -> DocumentRow {
    let batch = before.batch.clone();
    let next = DocumentRow { residue: true, batch, ..fresh(tenant, store, new, version, now) };
    if before.deleted_at.is_some() {
        return next;
    }
    DocumentRow {
        usage_bytes: before.usage_bytes,
        chunks: before.chunks,
        searchable_version: before.searchable_version,
        content_sha256: before.content_sha256,
        created_at: before.created_at,
        ..next
    }
}

/// Calls off the running job of a document and enqueues one for its version.
async fn requeue<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    row: &DocumentRow,
    now: i64,
) -> Result<(), LedgerError> {
    let about = jobs::about(&row.store, &row.file);
    jobs::cancel_indexing(db, tenant, about, now.saturating_mul(1000)).await?;
    enqueue(db, tenant, row, now).await
}

async fn enqueue<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    row: &DocumentRow,
    now: i64,
) -> Result<(), LedgerError> {
    let (store, file, version) = (row.store.clone(), row.file.clone(), row.version);
    let kind = JobKind::IndexDocument { store, file, version };
    jobs::enqueue(db, tenant, kind, now.saturating_mul(1000)).await
}

/// Writes all columns of a row.
pub(crate) async fn write<C: ConnectionTrait>(db: &C, row: &DocumentRow) -> Result<(), LedgerError> {
    Entity::update(ActiveModel::from(row.clone()).reset_all()).exec_without_returning(db).await?;
    Ok(())
}

/// Makes sure that files exist, and that nobody deletes them before the transaction ends.
pub(crate) async fn hold_files<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    wanted: &[&str],
) -> Result<(), LedgerError> {
    let found = files::live(tenant).filter(file::Column::Id.is_in(wanted.iter().copied())).lock_shared();
    let found: Vec<String> = found.all(db).await?.into_iter().map(|row| row.id).collect();
    match wanted.iter().find(|id| !found.iter().any(|have| have == *id)) {
        Some(missing) => Err(LedgerError::not_found("file", missing)),
        None => Ok(()),
    }
}

/// All documents of a store, detached ones included.
pub(crate) fn of(tenant: &TenantId, store: &str) -> Select<Entity> {
    Entity::find().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Store.eq(store))
}

/// What readers see.
pub(crate) fn wanted(status: Option<DocumentStatus>) -> Condition {
    Condition::all().add(Column::DeletedAt.is_null()).add_option(status.map(|status| Column::Status.eq(status)))
}

/// The document that readers see.
pub(crate) async fn find<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    store: &str,
    file: &str,
) -> Result<Owned<DocumentRow>, LedgerError> {
    let row = of(tenant, store).filter(Column::File.eq(file)).filter(wanted(None)).one(db).await?;
    row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("document", file))
}
