//! How a job ends, together with what it did to its document, in one transaction.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, UpdateMany, sea_query::Expr};

use super::{held, indexed, requeued};
use crate::{
    DocumentRow, DocumentStatus, JobKind, JobRow, JobState, Ledger, LedgerError,
    entity::{
        batch, document, file,
        job::{Column, Entity},
        store,
    },
    jobs, stores,
};

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
        if let JobKind::RemoveDocument { store, .. } = &job.kind {
            stores::hold(&txn, &job.tenant, store).await?;
        }
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
}

fn ended(update: UpdateMany<Entity>, state: JobState, now: i64) -> UpdateMany<Entity> {
    update.col_expr(Column::State, Expr::value(state)).col_expr(Column::EndedMs, Expr::value(now.saturating_mul(1000)))
}

async fn end<C: ConnectionTrait>(db: &C, job: &JobRow, state: JobState, now: i64) -> Result<(), LedgerError> {
    let update = ended(held(job), state, now);
    if update.exec(db).await?.rows_affected == 1 { Ok(()) } else { Err(LedgerError::LeaseLost) }
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
