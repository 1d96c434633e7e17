//! Deleting: at once for every reader, and a job in the same transaction removes what is left behind.
//!
//! Clean-up of a document starts when the last lease on it has run out: until then a worker that was called
//! off may still be writing.

use std::collections::BTreeSet;

use kubemate_identity::TenantId;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::{
    DocumentRow, Ledger, LedgerError, documents,
    entity::{assistant, document, file, job, response, store, tenant},
    files,
    jobs::{self, JobKind},
    keys, stores,
};

impl Ledger {
    /// Takes a file out of a vector store. `false`: it was not in it.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the store.
    pub async fn detach(&self, tenant: &TenantId, store: &str, file: &str, now: i64) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        stores::lock(&txn, tenant, store).await?;
        let row = documents::of(tenant, store).filter(document::Column::File.eq(file));
        let Some(row) = row.filter(documents::wanted(None)).one(&txn).await? else { return Ok(false) };
        remove(&txn, tenant, &row, now).await?;
        stores::bump(&txn, tenant, store).await?;
        self.commit_jobs(txn).await?;
        Ok(true)
    }

    /// Deletes a file, and takes it out of every vector store of the tenant. `false`: there was none.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_file(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        let update = file::Entity::update_many()
            .filter(file::Column::Tenant.eq(tenant.as_str()))
            .filter(file::Column::Id.eq(id))
            .filter(file::Column::DeletedAt.is_null())
            .col_expr(file::Column::DeletedAt, Expr::value(now));
        if update.exec(&txn).await?.rows_affected == 0 {
            return Ok(false);
        }
        for row in everywhere(&txn, tenant, id).await? {
            remove(&txn, tenant, &row, now).await?;
            stores::bump(&txn, tenant, &row.store).await?;
        }
        jobs::enqueue(&txn, tenant, JobKind::RemoveFile { file: id.to_owned() }, now.saturating_mul(1000)).await?;
        self.commit_jobs(txn).await?;
        Ok(true)
    }

    /// Deletes a vector store with its documents; the files stay. `false`: there was none.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_store(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        let update = stores::one(tenant, id).col_expr(store::Column::DeletedAt, Expr::value(now));
        if update.exec(&txn).await?.rows_affected == 0 {
            return Ok(false);
        }
        let now_ms = now.saturating_mul(1000);
        let of_store = Condition::all().add(job::Column::Store.eq(id));
        let quiet_ms = jobs::cancel_indexing(&txn, tenant, of_store, now_ms).await?;
        document::Entity::update_many()
            .filter(document::Column::Tenant.eq(tenant.as_str()))
            .filter(document::Column::Store.eq(id))
            .filter(document::Column::DeletedAt.is_null())
            .col_expr(document::Column::DeletedAt, Expr::value(now))
            .col_expr(document::Column::SearchableVersion, Expr::value(Option::<i64>::None))
            .exec(&txn)
            .await?;
        jobs::enqueue(&txn, tenant, JobKind::RemoveStore { store: id.to_owned() }, quiet_ms).await?;
        self.commit_jobs(txn).await?;
        Ok(true)
    }

    /// The documents of a deleted vector store, for the worker that removes it: (file, highest version).
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn documents_to_remove(&self, tenant: &TenantId, store: &str) -> Result<Vec<(String, i64)>, LedgerError> {
        let gone = documents::of(tenant, store).filter(document::Column::DeletedAt.is_not_null());
        let rows = gone.select_only().columns([document::Column::File, document::Column::Version]);
        Ok(rows.into_tuple().all(self.read()).await?)
    }

    /// Deletes a tenant: its keys open nothing from now on, its files and vector stores are deleted like one by
    /// one, its assistants and responses at once. Usage and audit stay. `false`: it was deleted before or never
    /// was; what an interrupted deletion left is deleted all the same.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_tenant(&self, tenant: &TenantId, now: i64) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        let update = tenant::Entity::update_many()
            .filter(tenant::Column::Id.eq(tenant.as_str()))
            .filter(tenant::Column::DeletedAt.is_null())
            .col_expr(tenant::Column::DeletedAt, Expr::value(now));
        let existed = update.exec(&txn).await?.rows_affected == 1;
        keys::revoke_all(&txn, tenant, now).await?;
        let assistants = assistant::Entity::delete_many().filter(assistant::Column::Tenant.eq(tenant.as_str()));
        assistants.exec(&txn).await?;
        let responses = response::Entity::delete_many().filter(response::Column::Tenant.eq(tenant.as_str()));
        responses.exec(&txn).await?;
        txn.commit().await?;
        for row in stores::of(tenant).filter(store::Column::DeletedAt.is_null()).all(self.read()).await? {
            self.delete_store(tenant, &row.id, now).await?;
        }
        for row in files::live(tenant).all(self.read()).await? {
            self.delete_file(tenant, &row.id, now).await?;
        }
        Ok(existed)
    }

    /// Which of these file ids the tenant still has, deleted but not yet cleaned up ones included: what is
    /// in the object store beyond them is an orphan.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn known_files(&self, tenant: &TenantId, ids: &[String]) -> Result<BTreeSet<String>, LedgerError> {
        let rows = files::of(tenant).select_only().column(file::Column::Id).filter(file::Column::Id.is_in(ids));
        let known: Vec<String> = rows.into_tuple().all(self.read()).await?;
        Ok(known.into_iter().collect())
    }
}

/// The live documents that a file is, with their stores locked in a fixed order.
async fn everywhere<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    file: &str,
) -> Result<Vec<DocumentRow>, LedgerError> {
    let of_file = || {
        document::Entity::find()
            .filter(document::Column::Tenant.eq(tenant.as_str()))
            .filter(document::Column::File.eq(file))
            .filter(documents::wanted(None))
            .order_by_asc(document::Column::Store)
    };
    for row in of_file().all(db).await? {
        match stores::lock(db, tenant, &row.store).await {
            Ok(_) | Err(LedgerError::NotFound { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(of_file().all(db).await?)
}

/// Hides a document and enqueues its clean-up. The store is locked.
async fn remove<C: ConnectionTrait>(db: &C, tenant: &TenantId, row: &DocumentRow, now: i64) -> Result<(), LedgerError> {
    let now_ms = now.saturating_mul(1000);
    let quiet_ms = jobs::cancel_indexing(db, tenant, jobs::about(&row.store, &row.file), now_ms).await?;
    let hidden = DocumentRow { deleted_at: Some(now), searchable_version: None, ..row.clone() };
    documents::write(db, &hidden).await?;
    let below = row.version.saturating_add(1);
    let kind = JobKind::RemoveDocument { store: row.store.clone(), file: row.file.clone(), below };
    jobs::enqueue(db, tenant, kind, quiet_ms).await
}
