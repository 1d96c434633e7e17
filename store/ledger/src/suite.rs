//! What every database behind the ledger must do. Each adapter's tests run it whole; a new adapter starts here.
//!
//! [`run`] wants an empty ledger that nobody else uses, because jobs are taken across tenants.

use std::fmt::Debug;

use kubemate_identity::TenantId;
use serde_json::json;

use crate::{
    Completed, DocumentRow, FileRow, JobKind, JobRow, Ledger, LedgerError, NewDocument, NewFile, NewStore, Owned,
    StoreRow, new_id,
};

mod deletion;
mod documents;
mod isolation;
mod keys;
mod lists;
mod queue;
mod records;

/// The moment at which the suite plays, Unix seconds.
const NOW: i64 = 1_800_000_000;
/// The same in milliseconds.
const NOW_MS: i64 = NOW * 1000;
/// How long the suite's leases last.
const LEASE_MS: i64 = 30_000;

/// Runs every case.
///
/// # Errors
/// Whatever the ledger answered where it should not have.
///
/// # Panics
/// Where the ledger's answer is wrong: that is how the suite fails.
pub async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    documents::run(ledger).await?;
    queue::run(ledger).await?;
    deletion::run(ledger).await?;
    isolation::run(ledger).await?;
    lists::run(ledger).await?;
    keys::run(ledger).await?;
    records::run(ledger).await
}

/// A tenant of its own for one case.
struct Case<'a> {
    ledger: &'a Ledger,
    tenant: TenantId,
}

impl<'a> Case<'a> {
    async fn new(ledger: &'a Ledger) -> Result<Self, LedgerError> {
        let tenant = TenantId::parse(&new_id("t-")).map_err(LedgerError::store)?;
        ledger.create_tenant(&tenant, NOW).await?;
        Ok(Self { ledger, tenant })
    }

    async fn file(&self) -> Result<Owned<FileRow>, LedgerError> {
        let new = NewFile {
            id: new_id("file-"),
            project: "proj_1".to_owned(),
            filename: "年报.pdf".to_owned(),
            media_type: Some("application/pdf".to_owned()),
            bytes: 3_000_000_000,
            sha256: "ab".repeat(32),
            purpose: "assistants".to_owned(),
            expires_at: None,
        };
        self.ledger.create_file(&self.tenant, new, NOW).await
    }

    async fn store(&self) -> Result<Owned<StoreRow>, LedgerError> {
        let new = NewStore {
            name: "reports".to_owned(),
            description: None,
            metadata: json!({"team": "risk"}),
            chunking: json!({"type": "auto"}),
            embedder: "multilingual-e5-small@1".to_owned(),
            expires_after: None,
        };
        self.ledger.create_store(&self.tenant, new, NOW).await
    }

    async fn attach(&self, store: &str, file: &str) -> Result<Owned<DocumentRow>, LedgerError> {
        self.ledger.attach(&self.tenant, store, plain(file), NOW).await
    }

    /// A file in a store, indexed.
    async fn indexed(&self) -> Result<(Owned<StoreRow>, Owned<FileRow>), LedgerError> {
        let (store, file) = (self.store().await?, self.file().await?);
        self.attach(&store.id, &file.id).await?;
        self.index_next().await?;
        Ok((store, file))
    }

    async fn document(&self, store: &str, file: &str) -> Result<Owned<DocumentRow>, LedgerError> {
        self.ledger.document(&self.tenant, store, file).await
    }

    async fn revision(&self, store: &str) -> Result<Option<i64>, LedgerError> {
        Ok(self.ledger.revisions(&self.tenant, &[store.to_owned()]).await?.get(store).copied())
    }

    /// The version that search may return.
    async fn searchable(&self, store: &str, file: &str) -> Result<Option<i64>, LedgerError> {
        let map = self.ledger.searchable(&self.tenant, &[store.to_owned()]).await?;
        Ok(map.get(&(store.to_owned(), file.to_owned())).copied())
    }

    /// The next job, which must be there.
    async fn lease(&self) -> Result<JobRow, LedgerError> {
        let job = self.ledger.lease_job("suite", NOW_MS, LEASE_MS).await?;
        job.ok_or_else(|| LedgerError::Conflict("a job was expected in the queue".to_owned()))
    }

    /// Takes the next job, which must be an index job, and completes it.
    async fn index_next(&self) -> Result<JobRow, LedgerError> {
        let job = self.lease().await?;
        self.ledger.complete_index(&job, completed(&job), NOW).await?;
        Ok(job)
    }

    /// The queue holds nothing that may be started by `now_ms`.
    async fn idle(&self, now_ms: i64) -> Result<(), LedgerError> {
        assert_eq!(self.ledger.lease_job("suite", now_ms, LEASE_MS).await?, None, "the queue should be empty");
        Ok(())
    }
}

fn plain(file: &str) -> NewDocument {
    NewDocument { file: file.to_owned(), attributes: json!({"year": 2026}), chunking: json!(null), batch: None }
}

fn completed(job: &JobRow) -> Completed {
    let version = match &job.kind {
        JobKind::IndexDocument { version, .. } => *version,
        _ => 0,
    };
    Completed { version, usage_bytes: 5_000_000_000, chunks: 12, content_sha256: "cd".repeat(32) }
}

#[track_caller]
fn assert_not_found<T: Debug>(result: Result<T, LedgerError>, what: &str) {
    assert!(matches!(result, Err(LedgerError::NotFound { .. })), "{what}: {result:?}");
}

#[track_caller]
fn assert_lost<T: Debug>(result: Result<T, LedgerError>, what: &str) {
    assert!(matches!(result, Err(LedgerError::LeaseLost)), "{what}: {result:?}");
}

#[track_caller]
fn assert_invalid<T: Debug>(result: Result<T, LedgerError>, what: &str) {
    assert!(matches!(result, Err(LedgerError::Invalid(_))), "{what}: {result:?}");
}

#[track_caller]
fn assert_conflict<T: Debug>(result: Result<T, LedgerError>, what: &str) {
    assert!(matches!(result, Err(LedgerError::Conflict(_))), "{what}: {result:?}");
}
