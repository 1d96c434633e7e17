//! Attaching, indexing, attaching again.

use serde_json::json;

use super::{Case, NOW, NOW_MS, assert_lost, completed, plain};
use crate::{BatchStatus, DocumentStatus, JobKind, JobState, Ledger, LedgerError, NewDocument, Page};

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    a_document_comes_with_its_job(ledger).await?;
    a_completed_document_is_searchable(ledger).await?;
    attaching_the_same_again_changes_nothing(ledger).await?;
    attaching_otherwise_replaces_when_complete(ledger).await?;
    a_superseded_worker_publishes_nothing(ledger).await?;
    new_attributes_are_indexed(ledger).await?;
    failure_shows_on_the_document(ledger).await?;
    a_cancelled_document_stays_out(ledger).await?;
    a_batch_is_attached_whole(ledger).await?;
    a_batch_is_cancelled(ledger).await
}

async fn a_document_comes_with_its_job(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    let document = case.attach(&store.id, &file.id).await?;
    assert_eq!(document.status, DocumentStatus::InProgress);
    assert_eq!(document.searchable_version, None);
    let jobs = ledger.jobs_of(&case.tenant, &store.id, &file.id).await?;
    let job = jobs.first().ok_or(LedgerError::LeaseLost)?;
    assert_eq!((jobs.len(), job.state), (1, JobState::Queued));
    let (store, file, version) = (store.id.clone(), file.id.clone(), document.version);
    assert_eq!(job.kind, JobKind::IndexDocument { store, file, version });
    case.index_next().await?;
    case.idle(NOW_MS).await
}

async fn a_completed_document_is_searchable(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    let document = case.attach(&store.id, &file.id).await?;
    let before = case.revision(&store.id).await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, None);
    let job = case.lease().await?;
    assert!(ledger.report(&job, 40, "embed").await?);
    let shown = case.document(&store.id, &file.id).await?;
    assert_eq!((shown.percent, shown.stage.as_str()), (40, "embed"));
    ledger.complete_index(&job, completed(&job), NOW + 5).await?;
    let shown = case.document(&store.id, &file.id).await?;
    assert_eq!((shown.status, shown.percent, shown.chunks), (DocumentStatus::Completed, 100, 12));
    assert_eq!(shown.updated_at, NOW + 5);
    assert_eq!(case.searchable(&store.id, &file.id).await?, Some(document.version));
    assert_ne!(case.revision(&store.id).await?, before);
    let counts = ledger.counts(&case.tenant, &store.id).await?;
    assert_eq!((counts.completed, counts.total, counts.usage_bytes), (1, 1, 5_000_000_000));
    let same = ledger.documents_with_content(&case.tenant, &store.id, &"cd".repeat(32)).await?;
    assert_eq!(same.len(), 1);
    assert_eq!(ledger.job(&case.tenant, &job.id).await?.state, JobState::Done);
    case.idle(NOW_MS).await
}

async fn attaching_the_same_again_changes_nothing(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    let first = case.attach(&store.id, &file.id).await?;
    assert_eq!(case.attach(&store.id, &file.id).await?.version, first.version);
    case.index_next().await?;
    let again = case.attach(&store.id, &file.id).await?;
    assert_eq!((again.version, again.status), (first.version, DocumentStatus::Completed));
    case.idle(NOW_MS).await
}

async fn attaching_otherwise_replaces_when_complete(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    let old = case.searchable(&store.id, &file.id).await?;
    let new = NewDocument { chunking: json!({"type": "static"}), ..plain(&file.id) };
    let document = ledger.attach(&case.tenant, &store.id, new, NOW).await?;
    assert!(Some(document.version) > old);
    assert_eq!(document.status, DocumentStatus::InProgress);
    assert_eq!(case.searchable(&store.id, &file.id).await?, old, "the old version answers until the new is complete");
    case.index_next().await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, Some(document.version));
    let job = case.lease().await?;
    let (store, file, below) = (store.id.clone(), file.id.clone(), document.version);
    assert_eq!(job.kind, JobKind::RemoveDocument { store: store.clone(), file: file.clone(), below });
    ledger.complete_removal(&job, NOW).await?;
    assert!(!case.document(&store, &file).await?.residue);
    case.idle(NOW_MS).await
}

async fn a_superseded_worker_publishes_nothing(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let slow = case.lease().await?;
    let new = NewDocument { attributes: json!({"year": 2027}), ..plain(&file.id) };
    ledger.attach(&case.tenant, &store.id, new, NOW).await?;
    assert!(!ledger.renew_lease(&slow, NOW_MS, 1000).await?);
    assert!(!ledger.report(&slow, 90, "embed").await?);
    assert_lost(ledger.complete_index(&slow, completed(&slow), NOW).await, "complete");
    assert_lost(ledger.fail_job(&slow, "x", "y", None, NOW).await, "fail");
    assert_eq!(case.searchable(&store.id, &file.id).await?, None);
    case.index_next().await?;
    ledger.complete_removal(&case.lease().await?, NOW).await?;
    case.idle(NOW_MS).await
}

async fn new_attributes_are_indexed(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    let old = case.searchable(&store.id, &file.id).await?;
    let attributes = json!({"year": 2027});
    let document = ledger.update_attributes(&case.tenant, &store.id, &file.id, attributes.clone(), NOW).await?;
    assert_eq!((document.status, &document.attributes), (DocumentStatus::Completed, &attributes));
    assert_eq!(case.searchable(&store.id, &file.id).await?, old);
    case.index_next().await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, Some(document.version));
    ledger.complete_removal(&case.lease().await?, NOW).await?;
    ledger.update_attributes(&case.tenant, &store.id, &file.id, attributes, NOW).await?;
    case.idle(NOW_MS).await
}

async fn failure_shows_on_the_document(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    ledger.fail_job(&job, "encrypted_file", "the file has a password", None, NOW).await?;
    let shown = case.document(&store.id, &file.id).await?;
    assert_eq!(shown.status, DocumentStatus::Failed);
    assert_eq!(shown.error_code.as_deref(), Some("encrypted_file"));
    assert_eq!(shown.error_message.as_deref(), Some("the file has a password"));
    assert_eq!(ledger.counts(&case.tenant, &store.id).await?.failed, 1);
    assert_eq!(ledger.job(&case.tenant, &job.id).await?.state, JobState::Failed);
    let again = case.attach(&store.id, &file.id).await?;
    assert_eq!((again.status, &again.error_code), (DocumentStatus::InProgress, &None));
    case.index_next().await?;
    ledger.complete_removal(&case.lease().await?, NOW).await?;
    case.idle(NOW_MS).await
}

async fn a_cancelled_document_stays_out(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    assert!(ledger.cancel_document_job(&case.tenant, &store.id, &file.id, NOW).await?);
    assert!(!ledger.cancel_document_job(&case.tenant, &store.id, &file.id, NOW).await?);
    assert!(!ledger.renew_lease(&job, NOW_MS, 1000).await?);
    assert_lost(ledger.complete_index(&job, completed(&job), NOW).await, "complete");
    assert_eq!(case.document(&store.id, &file.id).await?.status, DocumentStatus::Cancelled);
    case.idle(i64::MAX / 2).await
}

async fn a_batch_is_attached_whole(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let store = case.store().await?;
    let files = [case.file().await?, case.file().await?, case.file().await?];
    let mut wanted: Vec<NewDocument> = files.iter().map(|file| plain(&file.id)).collect();
    wanted.push(plain("file-none"));
    let refused = ledger.create_batch(&case.tenant, &store.id, wanted.clone(), NOW).await;
    super::assert_not_found(refused, "a batch with an unknown file");
    case.idle(NOW_MS).await?;
    wanted.pop();
    wanted.extend(files.first().map(|file| plain(&file.id)));
    let batch = ledger.create_batch(&case.tenant, &store.id, wanted, NOW).await?;
    let counts = ledger.batch_counts(&case.tenant, &store.id, &batch.id).await?;
    assert_eq!((counts.in_progress, counts.total), (3, 3));
    assert_eq!(batch.status(&counts), BatchStatus::InProgress);
    for _ in &files {
        case.index_next().await?;
    }
    let counts = ledger.batch_counts(&case.tenant, &store.id, &batch.id).await?;
    assert_eq!((counts.completed, batch.status(&counts)), (3, BatchStatus::Completed));
    let listed = ledger.batch_documents(&case.tenant, &store.id, &batch.id, &Page::default(), None).await?;
    assert_eq!((listed.data.len(), listed.has_more), (3, false));
    case.idle(NOW_MS).await
}

async fn a_batch_is_cancelled(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let store = case.store().await?;
    let files = [case.file().await?, case.file().await?];
    let wanted = files.iter().map(|file| plain(&file.id)).collect();
    let batch = ledger.create_batch(&case.tenant, &store.id, wanted, NOW).await?;
    let done = case.index_next().await?;
    let batch = ledger.cancel_batch(&case.tenant, &store.id, &batch.id, NOW).await?;
    let counts = ledger.batch_counts(&case.tenant, &store.id, &batch.id).await?;
    assert_eq!((counts.completed, counts.cancelled), (1, 1));
    assert_eq!(batch.status(&counts), BatchStatus::Cancelled);
    assert_eq!(ledger.job(&case.tenant, &done.id).await?.state, JobState::Done);
    case.idle(i64::MAX / 2).await
}
