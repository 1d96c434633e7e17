//! Leases: taken once, kept by heartbeats, taken over when they run out.

use super::{Case, LEASE_MS, NOW, NOW_MS, assert_invalid, assert_lost, completed};
use crate::{Completed, DocumentStatus, JobState, Ledger, LedgerError};

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    a_lease_runs_out_and_is_taken_over(ledger).await?;
    a_renewed_lease_is_kept(ledger).await?;
    a_retry_waits_for_its_time(ledger).await?;
    a_released_job_does_not_count_as_tried(ledger).await?;
    a_job_completes_only_its_own_version(ledger).await?;
    ended_jobs_are_purged(ledger).await
}

async fn a_lease_runs_out_and_is_taken_over(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let first = case.lease().await?;
    assert_eq!((first.attempts, first.state), (1, JobState::Running));
    assert_eq!(ledger.next_job_at().await?, Some(NOW_MS + LEASE_MS));
    case.idle(NOW_MS + LEASE_MS - 1).await?;
    let second = ledger.lease_job("other", NOW_MS + LEASE_MS, LEASE_MS).await?.ok_or(LedgerError::LeaseLost)?;
    assert_eq!((&second.id, second.attempts), (&first.id, 2));
    assert_eq!(second.worker.as_deref(), Some("other"));
    assert!(!ledger.renew_lease(&first, NOW_MS, LEASE_MS).await?);
    assert!(!ledger.report(&first, 50, "embed").await?);
    assert_lost(ledger.complete_index(&first, completed(&first), NOW).await, "complete");
    assert_lost(ledger.fail_job(&first, "x", "y", Some(0), NOW).await, "fail");
    assert_lost(ledger.release_job(&first).await, "release");
    ledger.complete_index(&second, completed(&second), NOW).await?;
    assert_lost(ledger.complete_index(&second, completed(&second), NOW).await, "complete twice");
    case.idle(i64::MAX / 2).await
}

async fn a_renewed_lease_is_kept(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    assert!(ledger.renew_lease(&job, NOW_MS + LEASE_MS - 1, LEASE_MS).await?);
    case.idle(NOW_MS + LEASE_MS).await?;
    ledger.complete_index(&job, completed(&job), NOW).await?;
    case.idle(i64::MAX / 2).await
}

async fn a_retry_waits_for_its_time(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    ledger.fail_job(&job, "embedder_busy", "the embedder is busy", Some(NOW_MS + 5000), NOW).await?;
    assert_eq!(case.document(&store.id, &file.id).await?.status, DocumentStatus::InProgress);
    assert_eq!(ledger.next_job_at().await?, Some(NOW_MS + 5000));
    assert_eq!((ledger.jobs_due(NOW_MS + 4999).await?, ledger.jobs_due(NOW_MS + 5000).await?), (0, 1));
    case.idle(NOW_MS + 4999).await?;
    let again = ledger.lease_job("suite", NOW_MS + 5000, LEASE_MS).await?.ok_or(LedgerError::LeaseLost)?;
    assert_eq!((&again.id, again.attempts), (&job.id, 2));
    assert_eq!(ledger.jobs_due(NOW_MS).await?, 1, "it is held");
    assert_eq!(again.error_code.as_deref(), Some("embedder_busy"));
    ledger.complete_index(&again, completed(&again), NOW).await?;
    case.idle(i64::MAX / 2).await
}

async fn a_released_job_does_not_count_as_tried(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    ledger.release_job(&job).await?;
    assert!(!ledger.renew_lease(&job, NOW_MS, LEASE_MS).await?);
    let again = case.lease().await?;
    assert_eq!((&again.id, again.attempts), (&job.id, 1));
    assert_ne!(again.lease, job.lease);
    ledger.complete_index(&again, completed(&again), NOW).await?;
    case.idle(i64::MAX / 2).await
}

async fn a_job_completes_only_its_own_version(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    let right = completed(&job);
    let wrong = Completed { version: right.version + 1, ..right.clone() };
    assert_invalid(ledger.complete_index(&job, wrong, NOW).await, "another version");
    assert_invalid(ledger.complete_removal(&job, NOW).await, "another kind");
    ledger.complete_index(&job, right, NOW).await?;
    case.idle(i64::MAX / 2).await
}

async fn ended_jobs_are_purged(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    ledger.purge_jobs(NOW_MS).await?;
    assert_eq!(ledger.jobs_of(&case.tenant, &store.id, &file.id).await?.len(), 1);
    assert!(ledger.purge_jobs(NOW_MS + 1).await? >= 1);
    assert_eq!(ledger.jobs_of(&case.tenant, &store.id, &file.id).await?.len(), 0);
    let waiting = ledger.jobs_waiting().await?;
    assert_eq!((waiting.queued, waiting.running), (0, 0));
    Ok(())
}
