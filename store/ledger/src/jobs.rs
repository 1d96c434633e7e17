//! Jobs: written in the transaction of what they follow from, read by workers and operators.

use std::str::FromStr;

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};

use crate::{
    JobState, Ledger, LedgerError,
    entity::job::{ActiveModel, Column, Entity, Kind, Model},
    ids::new_id,
};

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Make this version of a document searchable.
    IndexDocument {
        /// The vector store.
        store: String,
        /// The file.
        file: String,
        /// The version to make; no other job makes the same one.
        version: i64,
    },
    /// Remove what the versions of a document below `below` left behind. The document itself may live on.
    RemoveDocument {
        /// The vector store.
        store: String,
        /// The file.
        file: String,
        /// The first version that stays.
        below: i64,
    },
    /// Remove everything of a deleted vector store.
    RemoveStore {
        /// The vector store.
        store: String,
    },
    /// Remove the bytes of a deleted file.
    RemoveFile {
        /// The file.
        file: String,
    },
}

/// A job. The value that [`Ledger::lease_job`] returned is the proof of holding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// `job_…`.
    pub id: String,
    /// Whose job it is.
    pub tenant: TenantId,
    /// What is to be done.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// How often it was started, this time included.
    pub attempts: i32,
    /// Which lease this is: another worker's has another number.
    pub lease: i64,
    /// Who holds it.
    pub worker: Option<String>,
    /// When the lease runs out, Unix milliseconds.
    pub lease_until_ms: i64,
    /// Not to be started before, Unix milliseconds.
    pub not_before_ms: i64,
    /// Progress, 0 to 100.
    pub percent: i16,
    /// What the worker is doing.
    pub stage: String,
    /// Why it failed last: a stable code.
    pub error_code: Option<String>,
    /// Why it failed last: a sentence.
    pub error_message: Option<String>,
    /// When it was enqueued, Unix milliseconds.
    pub created_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: Option<i64>,
}

/// How many jobs there are, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobsWaiting {
    /// Waiting for a worker, those that may not start yet included.
    pub queued: u64,
    /// Held by a worker.
    pub running: u64,
    /// Given up and not yet purged.
    pub failed: u64,
}

impl Ledger {
    /// How many jobs wait or run, of all tenants.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn jobs_waiting(&self) -> Result<JobsWaiting, LedgerError> {
        let count = |state: JobState| Entity::find().filter(Column::State.eq(state)).count(self.read());
        Ok(JobsWaiting {
            queued: count(JobState::Queued).await?,
            running: count(JobState::Running).await?,
            failed: count(JobState::Failed).await?,
        })
    }

    /// The tenant's job of that id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn job(&self, tenant: &TenantId, id: &str) -> Result<JobRow, LedgerError> {
        let row = of(tenant).filter(Column::Id.eq(id)).one(self.read()).await?;
        row.ok_or_else(|| LedgerError::not_found("job", id))?.try_into()
    }

    /// The jobs about a document, oldest first; ended ones too until they are purged.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn jobs_of(&self, tenant: &TenantId, store: &str, file: &str) -> Result<Vec<JobRow>, LedgerError> {
        let about = of(tenant).filter(Column::Store.eq(store)).filter(Column::File.eq(file));
        let rows = sea_orm::QueryOrder::order_by_asc(about, Column::Id).all(self.read()).await?;
        rows.into_iter().map(JobRow::try_from).collect()
    }

    /// Forgets jobs that ended before `ended_before_ms`. Gives how many.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn purge_jobs(&self, ended_before_ms: i64) -> Result<u64, LedgerError> {
        let ended = Entity::delete_many().filter(Column::EndedMs.lt(ended_before_ms));
        Ok(ended.exec(self.write()).await?.rows_affected)
    }
}

fn of(tenant: &TenantId) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::Tenant.eq(tenant.as_str()))
}

/// Puts a job into the queue of the caller's transaction.
pub(crate) async fn enqueue<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    kind: JobKind,
    not_before_ms: i64,
) -> Result<(), LedgerError> {
    Entity::insert(ActiveModel::from(fresh(tenant, kind, not_before_ms))).exec_without_returning(db).await?;
    Ok(())
}

fn fresh(tenant: &TenantId, kind: JobKind, not_before_ms: i64) -> Model {
    let (kind, store, file, version) = columns(kind);
    Model {
        id: new_id("job_"),
        tenant: tenant.to_string(),
        kind,
        store,
        file,
        version,
        state: JobState::Queued,
        attempts: 0,
        lease: 0,
        worker: None,
        lease_until_ms: 0,
        not_before_ms,
        percent: 0,
        stage: "queued".to_owned(),
        error_code: None,
        error_message: None,
        created_ms: not_before_ms,
        ended_ms: None,
    }
}

/// Calls off the index jobs of documents, queued and running. Gives the moment from which no worker that
/// held one is still at it: the end of the longest lease.
pub(crate) async fn cancel_indexing<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    documents: Condition,
    now_ms: i64,
) -> Result<i64, LedgerError> {
    let active = Condition::all()
        .add(Column::Tenant.eq(tenant.as_str()))
        .add(Column::Kind.eq(Kind::IndexDocument))
        .add(Column::State.is_in([JobState::Queued, JobState::Running]))
        .add(documents);
    let held = Entity::find().filter(active.clone()).filter(Column::State.eq(JobState::Running)).all(db).await?;
    Entity::update_many()
        .filter(active)
        .col_expr(Column::State, Expr::value(JobState::Cancelled))
        .col_expr(Column::EndedMs, Expr::value(now_ms))
        .exec(db)
        .await?;
    Ok(held.into_iter().map(|job| job.lease_until_ms).max().unwrap_or(now_ms).max(now_ms))
}

/// The jobs about one document.
pub(crate) fn about(store: &str, file: &str) -> Condition {
    Condition::all().add(Column::Store.eq(store)).add(Column::File.eq(file))
}

fn columns(kind: JobKind) -> (Kind, Option<String>, Option<String>, i64) {
    match kind {
        JobKind::IndexDocument { store, file, version } => (Kind::IndexDocument, Some(store), Some(file), version),
        JobKind::RemoveDocument { store, file, below } => (Kind::RemoveDocument, Some(store), Some(file), below),
        JobKind::RemoveStore { store } => (Kind::RemoveStore, Some(store), None, 0),
        JobKind::RemoveFile { file } => (Kind::RemoveFile, None, Some(file), 0),
    }
}

impl TryFrom<Model> for JobRow {
    type Error = LedgerError;
    fn try_from(row: Model) -> Result<Self, LedgerError> {
        let broken = || LedgerError::store(format!("job `{}` lacks what its kind needs", row.id));
        let kind = match (row.kind, row.store.clone(), row.file.clone()) {
            (Kind::IndexDocument, Some(store), Some(file)) => {
                JobKind::IndexDocument { store, file, version: row.version }
            }
            (Kind::RemoveDocument, Some(store), Some(file)) => {
                JobKind::RemoveDocument { store, file, below: row.version }
            }
            (Kind::RemoveStore, Some(store), _) => JobKind::RemoveStore { store },
            (Kind::RemoveFile, _, Some(file)) => JobKind::RemoveFile { file },
            _ => return Err(broken()),
        };
        Ok(Self {
            tenant: TenantId::from_str(&row.tenant).map_err(LedgerError::store)?,
            kind,
            id: row.id,
            state: row.state,
            attempts: row.attempts,
            lease: row.lease,
            worker: row.worker,
            lease_until_ms: row.lease_until_ms,
            not_before_ms: row.not_before_ms,
            percent: row.percent,
            stage: row.stage,
            error_code: row.error_code,
            error_message: row.error_message,
            created_ms: row.created_ms,
            ended_ms: row.ended_ms,
        })
    }
}
