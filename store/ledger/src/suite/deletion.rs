//! Deleting: at once for readers, cleaned up by jobs, nothing left.

use kubemate_identity::{ApiKey, ProjectId, Rights};
use serde_json::json;

use super::{
    Case, LEASE_MS, NOW, NOW_MS, assert_conflict, assert_invalid, assert_lost, assert_not_found, completed, plain,
};
use crate::{DocumentStatus, Expired, JobKind, Ledger, LedgerError, NewFile, NewKey, StoreUpdate, new_id};

/// Two days, in seconds.
const TWO_DAYS: i64 = 2 * 86_400;

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    a_detached_document_is_gone_at_once(ledger).await?;
    clean_up_waits_for_the_worker_that_was_called_off(ledger).await?;
    a_document_attached_again_outlives_the_clean_up(ledger).await?;
    a_deleted_file_leaves_every_store(ledger).await?;
    a_deleted_store_takes_its_documents_along(ledger).await?;
    an_expired_file_is_deleted(ledger).await?;
    an_expired_store_is_listed_and_empty(ledger).await?;
    a_deleted_tenant_is_gone(ledger).await
}

async fn a_detached_document_is_gone_at_once(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    let version = case.document(&store.id, &file.id).await?.version;
    let before = case.revision(&store.id).await?;
    assert!(ledger.detach(&case.tenant, &store.id, &file.id, NOW).await?);
    assert!(!ledger.detach(&case.tenant, &store.id, &file.id, NOW).await?);
    assert_not_found(case.document(&store.id, &file.id).await, "a detached document");
    assert_eq!(case.searchable(&store.id, &file.id).await?, None);
    assert_ne!(case.revision(&store.id).await?, before);
    assert_eq!(ledger.counts(&case.tenant, &store.id).await?.total, 0);
    let job = case.lease().await?;
    let below = version + 1;
    assert_eq!(job.kind, JobKind::RemoveDocument { store: store.id.clone(), file: file.id.clone(), below });
    ledger.complete_removal(&job, NOW).await?;
    assert_eq!(case.attach(&store.id, &file.id).await?.version, below, "versions are never used twice");
    assert!(!case.document(&store.id, &file.id).await?.residue);
    case.index_next().await?;
    case.idle(i64::MAX / 2).await
}

async fn clean_up_waits_for_the_worker_that_was_called_off(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = (case.store().await?, case.file().await?);
    case.attach(&store.id, &file.id).await?;
    let job = case.lease().await?;
    assert!(ledger.detach(&case.tenant, &store.id, &file.id, NOW).await?);
    assert!(!ledger.renew_lease(&job, NOW_MS, LEASE_MS).await?);
    assert_lost(ledger.complete_index(&job, completed(&job), NOW).await, "complete");
    case.idle(NOW_MS + LEASE_MS - 1).await?;
    let removal = ledger.lease_job("suite", NOW_MS + LEASE_MS, LEASE_MS).await?.ok_or(LedgerError::LeaseLost)?;
    ledger.complete_removal(&removal, NOW).await?;
    case.idle(i64::MAX / 2).await
}

async fn a_document_attached_again_outlives_the_clean_up(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    assert!(ledger.detach(&case.tenant, &store.id, &file.id, NOW).await?);
    let removal = case.lease().await?;
    let again = case.attach(&store.id, &file.id).await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, None, "a detached version does not come back");
    case.index_next().await?;
    ledger.complete_removal(&removal, NOW).await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, Some(again.version));
    ledger.complete_removal(&case.lease().await?, NOW).await?;
    assert_eq!(case.searchable(&store.id, &file.id).await?, Some(again.version));
    case.idle(i64::MAX / 2).await
}

async fn a_deleted_file_leaves_every_store(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (one, file) = case.indexed().await?;
    let other = case.store().await?;
    case.attach(&other.id, &file.id).await?;
    let running = case.lease().await?;
    let before = case.revision(&one.id).await?;
    assert!(ledger.delete_file(&case.tenant, &file.id, NOW).await?);
    assert!(!ledger.delete_file(&case.tenant, &file.id, NOW).await?);
    assert_not_found(ledger.file(&case.tenant, &file.id).await, "a deleted file");
    assert_not_found(case.document(&one.id, &file.id).await, "its document");
    assert_eq!(case.searchable(&one.id, &file.id).await?, None);
    assert_ne!(case.revision(&one.id).await?, before);
    assert!(!ledger.renew_lease(&running, NOW_MS, LEASE_MS).await?);
    assert_not_found(case.attach(&one.id, &file.id).await, "attaching a deleted file");
    let mut kinds = Vec::new();
    while let Some(job) = ledger.lease_job("suite", NOW_MS + LEASE_MS, LEASE_MS).await? {
        ledger.complete_removal(&job, NOW).await?;
        kinds.push(job.kind);
    }
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(kinds.contains(&JobKind::RemoveFile { file: file.id.clone() }));
    assert!(ledger.known_files(&case.tenant, std::slice::from_ref(&file.id)).await?.is_empty());
    case.idle(i64::MAX / 2).await
}

async fn a_deleted_store_takes_its_documents_along(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    assert!(ledger.delete_store(&case.tenant, &store.id, NOW).await?);
    assert!(!ledger.delete_store(&case.tenant, &store.id, NOW).await?);
    assert_not_found(ledger.store(&case.tenant, &store.id).await, "a deleted store");
    assert_not_found(case.document(&store.id, &file.id).await, "its document");
    assert_not_found(case.attach(&store.id, &file.id).await, "attaching to a deleted store");
    assert_eq!(case.searchable(&store.id, &file.id).await?, None);
    assert_eq!(case.revision(&store.id).await?, None);
    assert_eq!(ledger.documents_to_remove(&case.tenant, &store.id).await?, vec![(file.id.clone(), 1)]);
    let job = case.lease().await?;
    assert_eq!(job.kind, JobKind::RemoveStore { store: store.id.clone() });
    ledger.complete_removal(&job, NOW).await?;
    assert!(ledger.documents_to_remove(&case.tenant, &store.id).await?.is_empty());
    assert_eq!(ledger.file(&case.tenant, &file.id).await?.id, file.id);
    case.idle(i64::MAX / 2).await
}

async fn an_expired_file_is_deleted(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let row = case.file().await?.into_inner();
    let new = NewFile {
        id: new_id("file-"),
        project: row.project,
        filename: row.filename,
        media_type: None,
        bytes: 1,
        sha256: row.sha256,
        purpose: row.purpose,
        expires_at: Some(NOW + 10),
    };
    let file = ledger.create_file(&case.tenant, new, NOW).await?;
    assert_eq!(ledger.delete_expired(NOW + 9).await?, Expired::default());
    assert_eq!(ledger.delete_expired(NOW + 10).await?, Expired { files: 1, stores: 0 });
    assert_not_found(ledger.file(&case.tenant, &file.id).await, "an expired file");
    while let Some(job) = ledger.lease_job("suite", NOW_MS + 10_000, LEASE_MS).await? {
        ledger.complete_removal(&job, NOW).await?;
    }
    case.idle(i64::MAX / 2).await
}

async fn an_expired_store_is_listed_and_empty(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let ((store, file), (kept, other)) = (case.indexed().await?, case.indexed().await?);
    let expires_after = Some(Some(json!({"anchor": "last_active_at", "days": 1})));
    ledger.update_store(&case.tenant, &store.id, StoreUpdate { expires_after, ..<_>::default() }, NOW).await?;
    ledger.touch_store(&case.tenant, &store.id, NOW + 3600).await?;
    assert_eq!(ledger.delete_expired(NOW + 86_400).await?, Expired::default(), "its use put it off");
    let waiting = case.file().await?;
    case.attach(&store.id, &waiting.id).await?;
    let before = case.revision(&store.id).await?;
    assert_eq!(ledger.delete_expired(NOW + TWO_DAYS).await?, Expired { files: 0, stores: 1 });
    assert_eq!(ledger.delete_expired(NOW + TWO_DAYS).await?, Expired::default(), "once");
    assert_ne!(case.revision(&store.id).await?, before);
    assert_eq!(case.searchable(&store.id, &file.id).await?, None);
    assert_eq!(case.document(&store.id, &file.id).await?.status, DocumentStatus::Completed);
    assert_eq!(case.document(&store.id, &waiting.id).await?.status, DocumentStatus::Cancelled);
    assert!(case.searchable(&kept.id, &other.id).await?.is_some());
    ledger.touch_store(&case.tenant, &store.id, NOW + TWO_DAYS).await?;
    let changed = ledger.update_store(&case.tenant, &store.id, StoreUpdate::default(), NOW + TWO_DAYS).await?;
    assert!(changed.is_expired(NOW + TWO_DAYS), "nothing brings it back");
    let again = ledger.attach(&case.tenant, &store.id, plain(&file.id), NOW + TWO_DAYS).await;
    assert_invalid(again, "attaching to an expired store");
    let mut removed = 0;
    while let Some(job) = ledger.lease_job("suite", NOW_MS + TWO_DAYS * 1000, LEASE_MS).await? {
        assert!(matches!(job.kind, JobKind::RemoveDocument { below: 2.., .. }), "{job:?}");
        ledger.complete_removal(&job, NOW).await?;
        removed += 1;
    }
    assert_eq!((removed, ledger.counts(&case.tenant, &store.id).await?.total), (2, 2));
    case.idle(i64::MAX / 2).await
}

async fn a_deleted_tenant_is_gone(ledger: &Ledger) -> Result<(), LedgerError> {
    let case = Case::new(ledger).await?;
    let (store, file) = case.indexed().await?;
    let project = ledger.create_project(&case.tenant, "main", NOW).await?;
    let project = ProjectId::parse(&project.id).map_err(LedgerError::store)?;
    let secret = ApiKey::generate().map_err(LedgerError::store)?;
    let (name, display) = (String::new(), String::new());
    let new = NewKey { name, rights: Rights::member(), hash: secret.hash(), display, maker: None };
    ledger.create_key(&case.tenant, &project, new.clone(), NOW).await?;
    assert!(ledger.find_key_by_hash(&secret.hash()).await?.is_some());
    assert!(ledger.delete_tenant(&case.tenant, NOW).await?);
    assert!(!ledger.delete_tenant(&case.tenant, NOW).await?);
    assert_eq!(ledger.find_key_by_hash(&secret.hash()).await?, None);
    assert_not_found(ledger.file(&case.tenant, &file.id).await, "its file");
    assert_not_found(ledger.store(&case.tenant, &store.id).await, "its store");
    assert!(!ledger.tenants().await?.iter().any(|row| row.id == case.tenant.as_str()));
    assert_conflict(ledger.ensure_tenant(&case.tenant, NOW).await, "a name that was used");
    assert_not_found(ledger.create_key(&case.tenant, &project, new, NOW).await, "a key of a deleted tenant");
    while let Some(job) = ledger.lease_job("suite", NOW_MS, LEASE_MS).await? {
        ledger.complete_removal(&job, NOW).await?;
    }
    case.idle(i64::MAX / 2).await
}
