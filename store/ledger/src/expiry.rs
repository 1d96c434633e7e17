//! What has a time of its own: expired files are deleted, expired vector stores emptied.
//!
//! An expired vector store stays in the lists, as OpenAI's does, with the names of its documents, so that a client can
//! make it anew. Its passages are removed, it takes no documents, and nothing brings it back.

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    DocumentStatus, Ledger, LedgerError, StoreRow, documents,
    entity::{document, file, job, store},
    jobs::{self, JobKind},
    stores,
};

/// What was let go because its time had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Files that were deleted.
    pub files: u64,
    /// Vector stores that were emptied.
    pub stores: u64,
}

/// How many expired objects one call lets go, so that it ends.
const EXPIRED_AT_ONCE: u64 = 200;

impl StoreRow {
    /// Whether its time has come.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Ledger {
    /// Deletes files and empties vector stores of all tenants whose time has come, a few hundred at a time: to be
    /// called again until it finds nothing.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_expired(&self, now: i64) -> Result<Expired, LedgerError> {
        let mut expired = Expired::default();
        let due = file::Entity::find().filter(file::Column::ExpiresAt.lte(now));
        for row in due.filter(file::Column::DeletedAt.is_null()).limit(EXPIRED_AT_ONCE).all(self.read()).await? {
            expired.files += u64::from(self.delete_file(&owner(&row.tenant)?, &row.id, now).await?);
        }
        let full = document::Entity::find().select_only().column(document::Column::Store).filter(in_use());
        let due =
            store::Entity::find().filter(store::Column::ExpiresAt.lte(now)).filter(store::Column::DeletedAt.is_null());
        let due = due.filter(store::Column::Id.in_subquery(full.into_query()));
        for row in due.limit(EXPIRED_AT_ONCE).all(self.read()).await? {
            expired.stores += u64::from(self.empty(&owner(&row.tenant)?, &row.id, now).await?);
        }
        Ok(expired)
    }

    /// Removes the passages of an expired store and calls off what would add some. `false`: it lives after all.
    async fn empty(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool, LedgerError> {
        let txn = self.begin().await?;
        match stores::lock(&txn, tenant, id).await {
            Ok(row) if row.is_expired(now) => {}
            Ok(_) | Err(LedgerError::NotFound { .. }) => return Ok(false),
            Err(other) => return Err(other),
        }
        let of_store = Condition::all().add(job::Column::Store.eq(id));
        let quiet_ms = jobs::cancel_indexing(&txn, tenant, of_store, now.saturating_mul(1000)).await?;
        for mut row in documents::of(tenant, id).filter(in_use()).all(&txn).await? {
            if row.status == DocumentStatus::InProgress {
                row.status = DocumentStatus::Cancelled;
                row.stage = "cancelled".to_owned();
            }
            (row.searchable_version, row.usage_bytes, row.updated_at) = (None, 0, now);
            documents::write(&txn, &row).await?;
            let below = row.version.saturating_add(1);
            let kind = JobKind::RemoveDocument { store: row.store, file: row.file, below };
            jobs::enqueue(&txn, tenant, kind, quiet_ms).await?;
        }
        stores::bump(&txn, tenant, id).await?;
        self.commit_jobs(txn).await?;
        Ok(true)
    }
}

/// Documents that have passages or are about to get some.
fn in_use() -> Condition {
    let status = document::Column::Status.eq(DocumentStatus::InProgress);
    let either = Condition::any().add(document::Column::SearchableVersion.is_not_null()).add(status);
    Condition::all().add(document::Column::DeletedAt.is_null()).add(either)
}

fn owner(tenant: &str) -> Result<TenantId, LedgerError> {
    TenantId::parse(tenant).map_err(LedgerError::store)
}
