//! Taking and keeping jobs. Every step is one compare-and-set on the job's row: the lease number
//! fences off a worker that lost its lease, whatever it believes.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
    sea_query::Expr,
};

use crate::{
    JobKind, JobRow, JobState, Ledger, LedgerError,
    entity::{
        document,
        job::{Column, Entity, Model},
    },
};

mod outcome;
mod unlocked;

pub use outcome::Completed;

/// How many candidates are read at once. More than one, so that a worker that loses a race for the first
/// tries the next without reading again.
const CANDIDATES: u64 = 16;

impl Ledger {
    /// Takes the next job for `lease_ms` milliseconds: one whose worker let its lease run out, else the
    /// one that waits longest. `worker` names who asks, for operators. `None` when nothing is to be done.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn lease_job(&self, worker: &str, now_ms: i64, lease_ms: i64) -> Result<Option<JobRow>, LedgerError> {
        if self.is_shared() {
            return self.take_unlocked(worker, now_ms, now_ms.saturating_add(lease_ms)).await;
        }
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

    /// How many jobs of all tenants a worker holds or could take now; none: the workers are idle. One statement, because
    /// jobs move from one state to the other between two.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn jobs_due(&self, now_ms: i64) -> Result<u64, LedgerError> {
        let either = Condition::any().add(Column::State.eq(JobState::Running)).add(due(now_ms));
        Ok(Entity::find().filter(either).count(self.read()).await?)
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
