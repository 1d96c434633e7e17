//! Working off the ledger's jobs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use kubemate_ledger::{JobKind, JobRow, JobState, LedgerError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};

use crate::indexing::Indexing;
use crate::layout::Version;
use crate::metering::{self, Outcome};
use crate::{Corpus, CorpusError};

/// How often expired files, expired knowledge bases and ended jobs are cleared away: until then they are still served.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

impl Corpus {
    /// Leases and carries out jobs until `stop`, a bounded number at once; looks for orphans once, meanwhile.
    ///
    /// After `stop` running jobs end at their next step and are handed back untried; nothing is lost when the future is
    /// dropped instead, only the leases have to run out then.
    ///
    /// Everything is joined, so whoever waits for the ledger is polled as soon as it is his turn: one that is not could
    /// be given the very connection that all the others wait for.
    pub async fn worker(&self, stop: CancellationToken) {
        let name = format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
        let places = (0..self.config().worker.jobs_at_once.max(1)).map(|_| self.one_by_one(&name, &stop));
        tokio::join!(join_all(places), stop.run_until_cancelled(self.keep_house()));
    }

    /// Carries out one job after the other.
    async fn one_by_one(&self, name: &str, stop: &CancellationToken) {
        let mut enqueued = self.parts.ledger.watch_jobs();
        while !stop.is_cancelled() {
            enqueued.mark_unchanged();
            if let Some(job) = self.lease(name).await {
                note_panic(AssertUnwindSafe(self.carry_out(job, stop)).catch_unwind().await);
                continue;
            }
            tokio::select! {
                _ = enqueued.changed() => {}
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.config().worker.poll) => {}
            }
        }
    }

    async fn keep_house(&self) {
        let tidying = async {
            loop {
                self.tidy().await;
                tokio::time::sleep(HOUSEKEEPING).await;
            }
        };
        tokio::join!(self.sweep_or_warn(), tidying);
    }

    /// [`Corpus::worker`] as a task of its own.
    pub async fn run_worker(self: Arc<Self>, stop: CancellationToken) {
        self.worker(stop).await;
    }

    async fn sweep_or_warn(&self) {
        match self.sweep().await {
            Ok(swept) if swept != crate::Swept::default() => {
                info!(ingest.versions = swept.versions, ingest.files = swept.files, "orphans were removed");
            }
            Ok(_) => {}
            Err(cause) => warn!(error.code = cause.code(), error.cause = %cause, "orphans could not be looked for"),
        }
    }

    async fn lease(&self, worker: &str) -> Option<JobRow> {
        match self.parts.ledger.lease_job(worker, self.now_ms(), self.lease_ms()).await {
            Ok(job) => job,
            Err(cause) => {
                warn!(error.cause = %cause, "no job could be leased");
                None
            }
        }
    }

    /// Deletes what has expired and forgets what ended long ago.
    async fn tidy(&self) {
        let keep = i64::try_from(self.config().worker.keep_ended_jobs.as_millis()).unwrap_or(i64::MAX);
        let expired = self.parts.ledger.delete_expired(self.now()).await;
        let purged = self.parts.ledger.purge_jobs(self.now_ms().saturating_sub(keep)).await;
        if let Err(cause) = expired.map(|_| ()).and(purged.map(|_| ())) {
            warn!(error.cause = %cause, "expired objects could not be cleared away");
        }
    }

    #[instrument(name = "ingest.job", skip_all, fields(job.id = %job.id, job.attempt = job.attempts))]
    async fn carry_out(&self, job: JobRow, stop: &CancellationToken) {
        let since = Instant::now();
        let lost = stop.child_token();
        let result = tokio::select! {
            biased;
            result = self.attempt(&job, &lost) => result,
            () = self.keep_lease(&job, &lost) => Ok(()), // never ends first
        };
        let outcome = match result {
            Ok(()) => Outcome::Completed,
            Err(cause) if is_called_off(&cause) => {
                self.give_back(&job, stop).await;
                Outcome::CalledOff
            }
            Err(cause) => self.fail(&job, &cause).await,
        };
        metering::job_ended(kind(&job), outcome, since);
    }

    async fn attempt(&self, job: &JobRow, lost: &CancellationToken) -> Result<(), CorpusError> {
        match &job.kind {
            JobKind::IndexDocument { .. } if job.attempts > self.config().worker.most_attempts => Err(exhausted()),
            JobKind::IndexDocument { store, file, version } => {
                Indexing::new(self, job, Version::new(store, file, *version), lost).run().await
            }
            _ => self.remove(job).await,
        }
    }

    /// Renews the lease for as long as it is polled. A lease that is lost cancels `lost`: the job then ends at its next
    /// step, never in the middle of a write that another worker might be repeating.
    async fn keep_lease(&self, job: &JobRow, lost: &CancellationToken) {
        loop {
            tokio::time::sleep(self.config().worker.lease / 3).await;
            match self.parts.ledger.renew_lease(job, self.now_ms(), self.lease_ms()).await {
                Ok(true) => {}
                Ok(false) => lost.cancel(),
                Err(cause) => warn!(error.cause = %cause, "a lease could not be renewed; trying again"),
            }
        }
    }

    /// After a job was called off: hands it to the next worker when the process is stopping, removes what it left
    /// when it was cancelled or its document deleted, touches nothing when another worker has it.
    async fn give_back(&self, job: &JobRow, stop: &CancellationToken) {
        if stop.is_cancelled() && self.parts.ledger.release_job(job).await.is_ok() {
            return;
        }
        let JobKind::IndexDocument { store, file, version } = &job.kind else { return };
        let is_over = match self.parts.ledger.job(&job.tenant, &job.id).await {
            Ok(now) => matches!(now.state, JobState::Cancelled | JobState::Failed),
            Err(LedgerError::NotFound { .. }) => true,
            Err(_) => false,
        };
        if is_over && let Err(cause) = self.purge(&job.tenant, &Version::new(store, file, *version)).await {
            warn!(error.code = cause.code(), "what a cancelled job left is removed by the next sweep");
        }
    }

    /// Notes a failure: another attempt later when that may help, else for good.
    async fn fail(&self, job: &JobRow, cause: &CorpusError) -> Outcome {
        let retry = self.retry_in_ms(job, cause);
        match retry {
            Some(wait_ms) => warn!(
                error.code = cause.code(),
                error.cause = cause.detail(),
                wait_ms,
                "a job failed, it is tried again"
            ),
            // The owner is told; nothing is wrong with this process.
            None if cause.is_of_the_file() => info!(error.code = cause.code(), "a file cannot be read"),
            None => error!(error.code = cause.code(), error.cause = cause.detail(), "a job failed for good"),
        }
        if retry.is_none() {
            self.purge_failed(job).await;
        }
        let retry_at_ms = retry.map(|wait| self.now_ms().saturating_add(wait));
        let noted = self.parts.ledger.fail_job(job, cause.code(), &cause.to_string(), retry_at_ms, self.now()).await;
        if let Err(cause) = noted {
            warn!(error.cause = %cause, "a failure could not be noted; the job is tried again when its lease runs out");
        }
        if retry.is_some() { Outcome::Retried } else { Outcome::Failed }
    }

    /// A removal is never given up: what it has to remove was promised to be gone.
    fn retry_in_ms(&self, job: &JobRow, cause: &CorpusError) -> Option<i64> {
        let worker = &self.config().worker;
        match job.kind {
            JobKind::IndexDocument { .. } => worker.retry_in_ms(job.attempts).filter(|_| cause.is_transient()),
            _ => worker.retry_in_ms(job.attempts.min(worker.most_attempts - 1)),
        }
    }

    /// Removes what a failed indexing left, if the job is still ours.
    async fn purge_failed(&self, job: &JobRow) {
        let JobKind::IndexDocument { store, file, version } = &job.kind else { return };
        if !self.parts.ledger.renew_lease(job, self.now_ms(), self.lease_ms()).await.unwrap_or(false) {
            return;
        }
        if let Err(cause) = self.purge(&job.tenant, &Version::new(store, file, *version)).await {
            warn!(error.code = cause.code(), "what a failed job left is removed by the next sweep");
        }
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.config().worker.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A job that panicked keeps its lease until that runs out, and is then tried again. The panic's own words went to the
/// process's hook.
fn note_panic(ended: std::thread::Result<()>) {
    if ended.is_err() {
        error!("a job panicked");
    }
}

fn exhausted() -> CorpusError {
    let message = "indexing this file ended the process several times; the operator's log says more";
    CorpusError::Parse { code: "attempts_exhausted".into(), message: message.into(), is_transient: false }
}

fn is_called_off(cause: &CorpusError) -> bool {
    matches!(cause, CorpusError::CalledOff | CorpusError::Ledger(LedgerError::LeaseLost | LedgerError::NotFound { .. }))
}

fn kind(job: &JobRow) -> &'static str {
    match job.kind {
        JobKind::IndexDocument { .. } => "index_document",
        JobKind::RemoveDocument { .. } => "remove_document",
        JobKind::RemoveStore { .. } => "remove_store",
        JobKind::RemoveFile { .. } => "remove_file",
    }
}
