//! Taking, keeping and ending jobs. Every step is one compare-and-set on the job's row: the lease number
//! fences off a worker that lost its lease, whatever it believes.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
    sea_query::Expr,
};

use crate::{
    DocumentRow, DocumentStatus, JobKind, JobRow, JobState, Ledger, LedgerError,
    entity::job::{Column, Entity, Model},
    entity::{batch, document, file, store},
    jobs, stores,
};

/// How many candidates are read at once. More than one, so that a worker that loses a race for the first
/// tries the next without reading again.
const CANDIDATES: u64 = 16;

/// What indexing a document came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The version that was made: the job's own.
    pub version: i64,
    /// Bytes its passages take.
    pub usage_bytes: i64,
    /// How many passages it was cut into.
    pub chunks: i64,
    /// SHA-256 of the content it was made from.
    pub content_sha256: String,
}

impl Ledger {
    /// Takes the next job for `lease_ms` milliseconds: one whose worker let its lease run out, else the
    /// one that waits longest. `worker` names who asks, for operators. `None` when nothing is to be done.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn lease_job(&self, worker: &str, now_ms: i64, lease_ms: i64) -> Result<Option<JobRow>, LedgerError> {
        loop {
            let mut candidates = self.candidates(expired(now_ms), Column::LeaseUntilMs).await?;
            if candidates.is_empty() {
                candidates = self.candidates(due(now_ms), Column::NotBeforeMs).await?;
            }
            if candidates.is_empty() {
                return Ok(None);
            }
            for job in candidates {
                if let Some(job) = self.take(job, worker, now_ms.saturating_add(lease_ms)).await? {
                    return Ok(Some(job));
                }
            }
        }
    }

    async fn candidates(&self, which: Condition, oldest: Column) -> Result<Vec<Model>, LedgerError> {
        let waiting = Entity::find().filter(which).order_by_asc(oldest).order_by_asc(Column::Id);
        Ok(waiting.limit(CANDIDATES).all(self.read()).await?)
    }

    /// Takes `job` unless somebody was faster.
    async fn take(&self, mut job: Model, worker: &str, until_ms: i64) -> Result<Option<JobRow>, LedgerError> {
        let seen = Condition::all()
            .add(Column::Id.eq(&job.id))
            .add(Column::State.eq(job.state))
            .add(Column::Lease.eq(job.lease))
            .add(Column::LeaseUntilMs.eq(job.lease_until_ms));
        job.state = JobState::Running;
        job.attempts = job.attempts.saturating_add(1);
        job.lease = job.lease.saturating_add(1);
        job.worker = Some(worker.to_owned());
        job.lease_until_ms = until_ms;
        let update = Entity::update_many()
            .filter(seen)
            .col_expr(Column::State, Expr::value(job.state))
            .col_expr(Column::Attempts, Expr::value(job.attempts))
            .col_expr(Column::Lease, Expr::value(job.lease))
            .col_expr(Column::Worker, Expr::value(job.worker.clone()))
            .col_expr(Column::LeaseUntilMs, Expr::value(job.lease_until_ms));
        let taken = update.exec(self.write()).await?.rows_affected == 1;
        taken.then(|| job.try_into()).transpose()
    }

    /// When the next waiting job may start (Unix milliseconds), so that a worker knows how long to wait.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn next_job_at(&self) -> Result<Option<i64>, LedgerError> {
        let queued = Entity::find().filter(Column::State.eq(JobState::Queued)).order_by_asc(Column::NotBeforeMs);
        let running = Entity::find().filter(Column::State.eq(JobState::Running)).order_by_asc(Column::LeaseUntilMs);
        let queued = queued.one(self.read()).await?.map(|job| job.not_before_ms);
        let running = running.one(self.read()).await?.map(|job| job.lease_until_ms);
        Ok(queued.into_iter().chain(running).min())
    }

    /// Extends the lease to `now_ms + lease_ms`. `false`: the job was cancelled or another worker has it;
    /// stop at once.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn renew_lease(&self, job: &JobRow, now_ms: i64, lease_ms: i64) -> Result<bool, LedgerError> {
        let until = now_ms.saturating_add(lease_ms);
        let update = held(job).col_expr(Column::LeaseUntilMs, Expr::value(until));
        Ok(update.exec(self.write()).await?.rows_affected == 1)
    }

    /// Shows progress on the job and its document. `false`: the lease is lost.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn report(&self, job: &JobRow, percent: u8, stage: &str) -> Result<bool, LedgerError> {
        let percent = i16::from(Ord::min(percent, 100));
        let txn = self.begin().await?;
        let update = held(job).col_expr(Column::Percent, Expr::value(percent));
        if update.col_expr(Column::Stage, Expr::value(stage)).exec(&txn).await?.rows_affected != 1 {
            return Ok(false);
        }
        if let Some(document) = indexed(job) {
            let document = document.col_expr(document::Column::Percent, Expr::value(percent));
            document.col_expr(document::Column::Stage, Expr::value(stage)).exec(&txn).await?;
        }
        txn.commit().await?;
        Ok(true)
    }

    /// Makes the job's version of the document the one that search returns, and ends the job, in one
    /// transaction. Older versions stop being returned at once; a job removes what they left behind.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when the job was cancelled, superseded or taken over: nothing changes.
    /// [`LedgerError::Invalid`] for another kind of job or another version than the job's.
    pub async fn complete_index(&self, job: &JobRow, done: Completed, now: i64) -> Result<(), LedgerError> {
        let JobKind::IndexDocument { store, file, version } = &job.kind else { return Err(wrong_kind(job)) };
        if *version != done.version {
            return Err(LedgerError::Invalid(format!("job `{}` makes version {version}", job.id)));
        }
        let txn = self.begin().await?;
        let row = stores::lock(&txn, &job.tenant, store).await.map_err(lost)?;
        end(&txn, job, JobState::Done, now).await?;
        let before = document(&txn, &row, file).await?.filter(|document| document.version == *version);
        let before = before.ok_or(LedgerError::LeaseLost)?;
        if let Some(document) = indexed(job) {
            publish(document, &done, now).exec(&txn).await?;
        }
        stores::bump(&txn, &job.tenant, store).await?;
        if before.residue {
            let kind = JobKind::RemoveDocument { store: store.clone(), file: file.clone(), below: *version };
            jobs::enqueue(&txn, &job.tenant, kind, now.saturating_mul(1000)).await?;
        }
        self.commit_jobs(txn).await
    }

    /// Ends a removal job, and forgets the rows it removed the last traces of.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`], [`LedgerError::Invalid`] for an index job.
    pub async fn complete_removal(&self, job: &JobRow, now: i64) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        end(&txn, job, JobState::Done, now).await?;
        match &job.kind {
            JobKind::IndexDocument { .. } => return Err(wrong_kind(job)),
            JobKind::RemoveDocument { store, file, below } => forget_document(&txn, job, store, file, *below).await?,
            JobKind::RemoveStore { store } => forget_store(&txn, job, store, now).await?,
            JobKind::RemoveFile { file } => forget_file(&txn, job, file).await?,
        }
        Ok(txn.commit().await?)
    }

    /// Ends an attempt that failed. With `retry_at_ms` the job waits until then and is tried again; without,
    /// it is given up, and an index job's document shows `failed` with this code and message.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`]: nothing changes.
    pub async fn fail_job(
        &self,
        job: &JobRow,
        code: &str,
        message: &str,
        retry_at_ms: Option<i64>,
        now: i64,
    ) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        let update = held(job)
            .col_expr(Column::ErrorCode, Expr::value(code))
            .col_expr(Column::ErrorMessage, Expr::value(message));
        let update = match retry_at_ms {
            Some(at_ms) => requeued(update, at_ms),
            None => ended(update, JobState::Failed, now),
        };
        if update.exec(&txn).await?.rows_affected != 1 {
            return Err(LedgerError::LeaseLost);
        }
        if let Some(document) = indexed(job) {
            failed(document, code, message, retry_at_ms.is_none(), now).exec(&txn).await?;
        }
        self.commit_jobs(txn).await
    }

    /// Hands a job back untouched, for another worker to take at once: at shutdown. The attempt does not count.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`].
    pub async fn release_job(&self, job: &JobRow) -> Result<(), LedgerError> {
        let update = requeued(held(job), job.not_before_ms);
        let update = update.col_expr(Column::Attempts, Expr::col(Column::Attempts).sub(1_i32));
        if update.exec(self.write()).await?.rows_affected == 1 { Ok(()) } else { Err(LedgerError::LeaseLost) }
    }
}

fn due(now_ms: i64) -> Condition {
    Condition::all().add(Column::State.eq(JobState::Queued)).add(Column::NotBeforeMs.lte(now_ms))
}

fn expired(now_ms: i64) -> Condition {
    Condition::all().add(Column::State.eq(JobState::Running)).add(Column::LeaseUntilMs.lte(now_ms))
}

/// An update of the job's row that changes nothing unless the lease is still this one.
fn held(job: &JobRow) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Id.eq(&job.id))
        .filter(Column::State.eq(JobState::Running))
        .filter(Column::Lease.eq(job.lease))
}

fn requeued(update: UpdateMany<Entity>, not_before_ms: i64) -> UpdateMany<Entity> {
    update
        .col_expr(Column::State, Expr::value(JobState::Queued))
        .col_expr(Column::NotBeforeMs, Expr::value(not_before_ms))
        .col_expr(Column::Worker, Expr::value(Option::<String>::None))
        .col_expr(Column::LeaseUntilMs, Expr::value(0_i64))
}

fn ended(update: UpdateMany<Entity>, state: JobState, now: i64) -> UpdateMany<Entity> {
    update.col_expr(Column::State, Expr::value(state)).col_expr(Column::EndedMs, Expr::value(now.saturating_mul(1000)))
}

async fn end<C: ConnectionTrait>(db: &C, job: &JobRow, state: JobState, now: i64) -> Result<(), LedgerError> {
    let update = ended(held(job), state, now);
    if update.exec(db).await?.rows_affected == 1 { Ok(()) } else { Err(LedgerError::LeaseLost) }
}

/// An update of the document an index job works on, unless a newer version superseded it.
fn indexed(job: &JobRow) -> Option<UpdateMany<document::Entity>> {
    let JobKind::IndexDocument { store, file, version } = &job.kind else { return None };
    let update = document::Entity::update_many()
        .filter(document::Column::Tenant.eq(job.tenant.as_str()))
        .filter(document::Column::Store.eq(store))
        .filter(document::Column::File.eq(file))
        .filter(document::Column::Version.eq(*version))
        .filter(document::Column::DeletedAt.is_null());
    Some(update)
}

fn publish(document: UpdateMany<document::Entity>, done: &Completed, now: i64) -> UpdateMany<document::Entity> {
    document
        .col_expr(document::Column::Status, Expr::value(DocumentStatus::Completed))
        .col_expr(document::Column::ErrorCode, Expr::value(Option::<String>::None))
        .col_expr(document::Column::ErrorMessage, Expr::value(Option::<String>::None))
        .col_expr(document::Column::SearchableVersion, Expr::value(done.version))
        .col_expr(document::Column::UsageBytes, Expr::value(done.usage_bytes))
        .col_expr(document::Column::Chunks, Expr::value(done.chunks))
        .col_expr(document::Column::ContentSha256, Expr::value(done.content_sha256.clone()))
        .col_expr(document::Column::Percent, Expr::value(100_i16))
        .col_expr(document::Column::Stage, Expr::value("done"))
        .col_expr(document::Column::UpdatedAt, Expr::value(now))
}

fn failed(
    document: UpdateMany<document::Entity>,
    code: &str,
    message: &str,
    for_good: bool,
    now: i64,
) -> UpdateMany<document::Entity> {
    if !for_good {
        return document.col_expr(document::Column::Stage, Expr::value("waiting to retry"));
    }
    document
        .col_expr(document::Column::Status, Expr::value(DocumentStatus::Failed))
        .col_expr(document::Column::ErrorCode, Expr::value(code))
        .col_expr(document::Column::ErrorMessage, Expr::value(message))
        .col_expr(document::Column::Stage, Expr::value("failed"))
        .col_expr(document::Column::UpdatedAt, Expr::value(now))
}

async fn document<C: ConnectionTrait>(
    db: &C,
    store: &store::Model,
    file: &str,
) -> Result<Option<DocumentRow>, LedgerError> {
    let row = document::Entity::find()
        .filter(document::Column::Tenant.eq(&store.tenant))
        .filter(document::Column::Store.eq(&store.id))
        .filter(document::Column::File.eq(file))
        .filter(document::Column::DeletedAt.is_null());
    Ok(row.one(db).await?)
}

async fn forget_document<C: ConnectionTrait>(
    db: &C,
    job: &JobRow,
    store: &str,
    file: &str,
    below: i64,
) -> Result<(), LedgerError> {
    let this = Condition::all()
        .add(document::Column::Tenant.eq(job.tenant.as_str()))
        .add(document::Column::Store.eq(store))
        .add(document::Column::File.eq(file))
        .add(document::Column::Version.lte(below));
    let gone = Condition::all().add(document::Column::DeletedAt.is_not_null()).add(document::Column::Version.lt(below));
    document::Entity::delete_many().filter(this.clone()).filter(gone).exec(db).await?;
    let clean = document::Entity::update_many().filter(this).filter(document::Column::DeletedAt.is_null());
    clean.col_expr(document::Column::Residue, Expr::value(false)).exec(db).await?;
    Ok(())
}

async fn forget_store<C: ConnectionTrait>(db: &C, job: &JobRow, store: &str, now: i64) -> Result<(), LedgerError> {
    let tenant = job.tenant.as_str();
    let others = Entity::update_many().filter(Column::Tenant.eq(tenant)).filter(Column::Store.eq(store));
    let others = others.filter(Column::State.is_in([JobState::Queued, JobState::Running]));
    ended(others, JobState::Cancelled, now).exec(db).await?;
    let documents = document::Entity::delete_many().filter(document::Column::Tenant.eq(tenant));
    documents.filter(document::Column::Store.eq(store)).exec(db).await?;
    let batches = batch::Entity::delete_many().filter(batch::Column::Tenant.eq(tenant));
    batches.filter(batch::Column::Store.eq(store)).exec(db).await?;
    let row = store::Entity::delete_many().filter(store::Column::Tenant.eq(tenant));
    let row = row.filter(store::Column::Id.eq(store)).filter(store::Column::DeletedAt.is_not_null());
    row.exec(db).await?;
    Ok(())
}

async fn forget_file<C: ConnectionTrait>(db: &C, job: &JobRow, file: &str) -> Result<(), LedgerError> {
    let row = file::Entity::delete_many().filter(file::Column::Tenant.eq(job.tenant.as_str()));
    row.filter(file::Column::Id.eq(file)).filter(file::Column::DeletedAt.is_not_null()).exec(db).await?;
    Ok(())
}

/// A store that is gone took its jobs with it.
fn lost(cause: LedgerError) -> LedgerError {
    match cause {
        LedgerError::NotFound { .. } => LedgerError::LeaseLost,
        other => other,
    }
}

fn wrong_kind(job: &JobRow) -> LedgerError {
    LedgerError::Invalid(format!("job `{}` is of another kind", job.id))
}
