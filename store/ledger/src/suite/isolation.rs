//! Another tenant's id is a random id: the same answer on every verb, and nothing changes.

use serde_json::json;

use super::{Case, NOW, assert_not_found, plain};
use crate::{Ledger, LedgerError, NewAssistant, NewResponse, Page, StoreUpdate};

pub(super) async fn run(ledger: &Ledger) -> Result<(), LedgerError> {
    let (owner, stranger) = (Case::new(ledger).await?, Case::new(ledger).await?);
    let (store, file) = owner.indexed().await?;
    let batch = ledger.create_batch(&owner.tenant, &store.id, vec![plain(&file.id)], NOW).await?;
    let own_store = stranger.store().await?;
    for (store, file, batch) in [(&store.id, &file.id, &batch.id), (&"vs_0".into(), &"file-0".into(), &"b".into())] {
        nothing_is_read(&stranger, store, file, batch).await?;
        nothing_is_changed(&stranger, store, file, batch).await?;
        let attached = ledger.attach(&stranger.tenant, &own_store.id, plain(file), NOW).await;
        assert_not_found(attached, "attaching a foreign file to an own store");
        let batch = ledger.create_batch(&stranger.tenant, &own_store.id, vec![plain(file)], NOW).await;
        assert_not_found(batch, "a batch with a foreign file");
        answers_stay_apart(&stranger, store).await?;
    }
    assert_eq!(owner.searchable(&store.id, &file.id).await?, Some(1));
    assert_eq!(ledger.files(&stranger.tenant, &Page::default(), None).await?.data.len(), 0);
    assert_eq!(ledger.stores(&stranger.tenant, &Page::default()).await?.data.len(), 1);
    the_same_words_for_both(ledger, &stranger, &store.id).await?;
    owner.idle(i64::MAX / 2).await
}

async fn nothing_is_read(stranger: &Case<'_>, store: &str, file: &str, batch: &str) -> Result<(), LedgerError> {
    let (ledger, tenant, page) = (stranger.ledger, &stranger.tenant, Page::default());
    assert_not_found(ledger.file(tenant, file).await, "file");
    assert_not_found(ledger.store(tenant, store).await, "store");
    assert_not_found(ledger.document(tenant, store, file).await, "document");
    assert_not_found(ledger.documents(tenant, store, &page, None).await, "documents");
    assert_not_found(ledger.counts(tenant, store).await, "counts");
    assert_not_found(ledger.batch(tenant, store, batch).await, "batch");
    assert_not_found(ledger.batch_counts(tenant, store, batch).await, "batch counts");
    assert_not_found(ledger.batch_documents(tenant, store, batch, &page, None).await, "batch documents");
    assert_not_found(ledger.job(tenant, "job_0").await, "job");
    assert!(ledger.jobs_of(tenant, store, file).await?.is_empty());
    assert!(ledger.searchable(tenant, &[store.to_owned()]).await?.is_empty());
    assert!(ledger.revisions(tenant, &[store.to_owned()]).await?.is_empty());
    assert!(ledger.counts_of(tenant, &[store.to_owned()]).await?.is_empty());
    assert!(ledger.known_files(tenant, &[file.to_owned()]).await?.is_empty());
    assert!(ledger.files_with_sha256(tenant, &"ab".repeat(32)).await?.is_empty());
    assert!(ledger.documents_with_content(tenant, store, &"cd".repeat(32)).await?.is_empty());
    Ok(())
}

async fn nothing_is_changed(stranger: &Case<'_>, store: &str, file: &str, batch: &str) -> Result<(), LedgerError> {
    let (ledger, tenant) = (stranger.ledger, &stranger.tenant);
    assert!(!ledger.delete_file(tenant, file, NOW).await?);
    assert!(!ledger.delete_store(tenant, store, NOW).await?);
    assert_not_found(ledger.detach(tenant, store, file, NOW).await, "detach");
    assert_not_found(ledger.attach(tenant, store, plain(file), NOW).await, "attach");
    assert_not_found(ledger.create_batch(tenant, store, Vec::new(), NOW).await, "create batch");
    assert_not_found(ledger.cancel_batch(tenant, store, batch, NOW).await, "cancel batch");
    assert_not_found(ledger.cancel_document_job(tenant, store, file, NOW).await, "cancel");
    assert_not_found(ledger.update_attributes(tenant, store, file, json!({}), NOW).await, "attributes");
    assert_not_found(ledger.update_store(tenant, store, StoreUpdate::default(), NOW).await, "update store");
    assert_not_found(ledger.touch_store(tenant, store, NOW).await, "touch store");
    Ok(())
}

async fn answers_stay_apart(stranger: &Case<'_>, store: &str) -> Result<(), LedgerError> {
    let (ledger, tenant) = (stranger.ledger, &stranger.tenant);
    let new = NewAssistant {
        name: "helper".to_owned(),
        model: "m".to_owned(),
        instructions: String::new(),
        store_ids: vec![store.to_owned()],
        settings: json!({}),
    };
    assert_not_found(ledger.create_assistant(tenant, new.clone(), NOW).await, "an assistant on a foreign store");
    let own = NewAssistant { store_ids: Vec::new(), ..new.clone() };
    let saved = ledger.create_assistant(tenant, own, NOW).await?;
    assert_not_found(ledger.update_assistant(tenant, &saved.id, new, NOW).await, "moving one onto a foreign store");
    let other = Case::new(ledger).await?;
    assert_not_found(ledger.assistant(&other.tenant, &saved.id).await, "assistant");
    assert_not_found(ledger.assistant_named(&other.tenant, "helper").await, "assistant by name");
    assert!(!ledger.delete_assistant(&other.tenant, &saved.id).await?);
    assert!(ledger.delete_assistant(tenant, &saved.id).await?);
    let id = crate::new_id("resp_");
    let new = NewResponse { id: id.clone(), project: "p".to_owned(), body: json!({}), input: json!([]) };
    ledger.save_response(tenant, new, NOW).await?;
    assert_not_found(ledger.response(&other.tenant, &id).await, "response");
    assert!(!ledger.delete_response(&other.tenant, &id).await?);
    assert!(ledger.delete_response(tenant, &id).await?);
    Ok(())
}

/// The error of a foreign id and of a random one differ in nothing but the id.
async fn the_same_words_for_both(ledger: &Ledger, stranger: &Case<'_>, foreign: &str) -> Result<(), LedgerError> {
    let mut words = Vec::new();
    for id in [foreign, "vs_00000000000000000000000000000000"] {
        if let Err(error) = ledger.store(&stranger.tenant, id).await {
            words.push(format!("{error} {error:?}").replace(id, "ID"));
        }
    }
    assert_eq!(words.len(), 2);
    assert_eq!(words.first(), words.last());
    Ok(())
}
