//! Batches: documents attached by one call, all or none.

use kubemate_identity::TenantId;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::{
    BatchRow, DocumentRow, DocumentStatus, FileCounts, Ledger, LedgerError, NewDocument, Owned, Page, PageOf,
    documents,
    entity::{
        batch::{ActiveModel, Column, Entity},
        document, job,
    },
    ids::new_id,
    jobs, page, stores,
};

/// How a batch stands. The names are OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStatus {
    /// Some of its documents are still waiting or being indexed.
    InProgress,
    /// All of its documents ended, one way or another.
    Completed,
    /// Called off.
    Cancelled,
}

impl BatchStatus {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl BatchRow {
    /// How the batch stands, given how its documents do.
    #[must_use]
    pub fn status(&self, counts: &FileCounts) -> BatchStatus {
        match (self.cancelled_at, counts.in_progress) {
            (Some(_), _) => BatchStatus::Cancelled,
            (None, 0) => BatchStatus::Completed,
            (None, _) => BatchStatus::InProgress,
        }
    }
}

impl Ledger {
    /// Attaches several files to a vector store at once: all documents and all jobs in one transaction. A
    /// file named twice counts once, as it was named last.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the store or any file, [`LedgerError::Invalid`] for an expired store: then none is
    /// attached.
    pub async fn create_batch(
        &self,
        tenant: &TenantId,
        store: &str,
        files: Vec<NewDocument>,
        now: i64,
    ) -> Result<Owned<BatchRow>, LedgerError> {
        let files = deduplicated(files);
        let txn = self.begin().await?;
        for part in files.chunks(HELD_AT_ONCE) {
            let names: Vec<&str> = part.iter().map(|new| new.file.as_str()).collect();
            documents::hold_files(&txn, tenant, &names).await?;
        }
        let store = stores::lock_open(&txn, tenant, store, now).await?;
        let row = BatchRow {
            tenant: tenant.to_string(),
            id: new_id("vsfb_"),
            store: store.id.clone(),
            created_at: now,
            cancelled_at: None,
        };
        Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(&txn).await?;
        let count = i64::try_from(files.len()).unwrap_or(i64::MAX);
        let first = stores::reserve(&txn, &store, count).await?;
        for (new, version) in files.into_iter().zip(first..) {
            let new = NewDocument { batch: Some(row.id.clone()), ..new };
            documents::attach(&txn, tenant, &store, new, version, now).await?;
        }
        self.commit_jobs(txn).await?;
        Ok(Owned::new(tenant, row))
    }

    /// A batch of a vector store.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn batch(&self, tenant: &TenantId, store: &str, id: &str) -> Result<Owned<BatchRow>, LedgerError> {
        find(self.read(), tenant, store, id).await
    }

    /// How the documents of a batch stand. One that was attached again with another batch counts there.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn batch_counts(&self, tenant: &TenantId, store: &str, id: &str) -> Result<FileCounts, LedgerError> {
        self.batch(tenant, store, id).await?;
        let wanted = Condition::all().add(document::Column::Batch.eq(id));
        let counts = stores::tally(self.read(), tenant, document::Column::Batch, wanted).await?;
        Ok(counts.get(id).copied().unwrap_or_default())
    }

    /// A page of a batch's documents, of one status or of all. Cursors are file ids.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn batch_documents(
        &self,
        tenant: &TenantId,
        store: &str,
        id: &str,
        page: &Page,
        status: Option<DocumentStatus>,
    ) -> Result<PageOf<DocumentRow>, LedgerError> {
        self.batch(tenant, store, id).await?;
        let wanted = documents::wanted(status).add(document::Column::Batch.eq(id));
        page::read(self.read(), documents::of(tenant, store), wanted, page).await
    }

    /// Calls off what a batch has not indexed yet. What is searchable stays so.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn cancel_batch(
        &self,
        tenant: &TenantId,
        store: &str,
        id: &str,
        now: i64,
    ) -> Result<Owned<BatchRow>, LedgerError> {
        let txn = self.begin().await?;
        stores::lock(&txn, tenant, store).await?;
        let mut row = find(&txn, tenant, store, id).await?.into_inner();
        let open = documents::wanted(Some(DocumentStatus::InProgress)).add(document::Column::Batch.eq(id));
        let waiting = documents::of(tenant, store).filter(open.clone()).all(&txn).await?;
        let names: Vec<String> = waiting.into_iter().map(|document| document.file).collect();
        for part in names.chunks(HELD_AT_ONCE) {
            let about = Condition::all().add(job::Column::Store.eq(store)).add(job::Column::File.is_in(part));
            jobs::cancel_indexing(&txn, tenant, about, now.saturating_mul(1000)).await?;
        }
        document::Entity::update_many()
            .filter(document::Column::Tenant.eq(tenant.as_str()))
            .filter(document::Column::Store.eq(store))
            .filter(open)
            .col_expr(document::Column::Status, Expr::value(DocumentStatus::Cancelled))
            .col_expr(document::Column::Stage, Expr::value("cancelled"))
            .col_expr(document::Column::UpdatedAt, Expr::value(now))
            .exec(&txn)
            .await?;
        row.cancelled_at = row.cancelled_at.or(Some(now));
        Entity::update(ActiveModel::from(row.clone()).reset_all()).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Owned::new(tenant, row))
    }
}

/// Names in one `IN` list: far below the 32,766 bound values that SQLite takes.
const HELD_AT_ONCE: usize = 1000;

/// Keeps the last mention of each file, in the order of first mention.
fn deduplicated(files: Vec<NewDocument>) -> Vec<NewDocument> {
    let mut kept: Vec<NewDocument> = Vec::with_capacity(files.len());
    let mut places = std::collections::HashMap::new();
    for new in files {
        let place = *places.entry(new.file.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => *earlier = new,
            None => kept.push(new),
        }
    }
    kept
}

async fn find<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    store: &str,
    id: &str,
) -> Result<Owned<BatchRow>, LedgerError> {
    let own = Entity::find().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Store.eq(store));
    let row = own.filter(Column::Id.eq(id)).one(db).await?;
    row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("file batch", id))
}
