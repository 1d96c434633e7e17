//! Deleting removes everything, everywhere.

use kubemate_corpus::SearchRequest;
use kubemate_ledger::{DocumentStatus, StoreUpdate, new_id};
use kubemate_objects::{ObjectKey, ObjectStore, once};
use serde_json::json;

use crate::house::{COMMON, House, book, tenant};

#[tokio::test]
async fn a_detached_document_leaves_the_file_only() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.settle().await;
    house.ledger.detach(&a, &store, &file, house.now()).await.unwrap();
    house.settle().await;
    assert_eq!(house.points(&a, &store).await, 0);
    assert_eq!(house.keys(&a).await, [format!("files/{file}")]);
}

#[tokio::test]
async fn a_deleted_file_is_gone_from_every_knowledge_base_and_so_are_its_bytes() {
    let (house, a, b) = (House::new().await, tenant("a"), tenant("b"));
    let (one, other, of_b) = (house.store(&a).await, house.store(&a).await, house.store(&b).await);
    let file = house.add(&a, &one, "book.md", &book(3)).await;
    house.attach(&a, &other, &file).await;
    house.add(&b, &of_b, "book.md", &book(3)).await;
    house.settle().await;
    let before = house.keys(&b).await;
    assert!(house.ledger.delete_file(&a, &file, house.now()).await.unwrap());
    assert!(house.find(&a, &one, COMMON).await.is_empty() && house.find(&a, &other, COMMON).await.is_empty());
    house.settle().await;
    assert_eq!((house.points(&a, &one).await, house.points(&a, &other).await), (0, 0));
    assert!(house.keys(&a).await.is_empty(), "{:?}", house.keys(&a).await);
    assert_eq!(house.keys(&b).await, before);
    assert_eq!(house.find(&b, &of_b, COMMON).await.len(), 3);
}

#[tokio::test]
async fn a_deleted_knowledge_base_leaves_the_files() {
    let (house, a) = (House::new().await, tenant("a"));
    let (one, other) = (house.store(&a).await, house.store(&a).await);
    let file = house.add(&a, &one, "book.md", &book(3)).await;
    house.attach(&a, &other, &file).await;
    house.settle().await;
    house.ledger.delete_store(&a, &one, house.now()).await.unwrap();
    house.settle().await;
    assert_eq!((house.points(&a, &one).await, house.points(&a, &other).await), (0, 3));
    assert!(house.keys(&a).await.iter().all(|key| !key.contains(&one)), "{:?}", house.keys(&a).await);
    assert_eq!(house.find(&a, &other, COMMON).await.len(), 3);
}

#[tokio::test]
async fn an_expired_knowledge_base_is_searched_no_more_and_loses_its_passages() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.settle().await;
    let expires_after = Some(Some(json!({"anchor": "last_active_at", "days": 1})));
    let update = StoreUpdate { expires_after, ..StoreUpdate::default() };
    house.ledger.update_store(&a, &store, update, house.now()).await.unwrap();
    assert_eq!(house.find(&a, &store, COMMON).await.len(), 3);
    (0..25).for_each(|_| house.hours_pass());
    let request = SearchRequest::new(vec![COMMON.to_owned()], 5);
    let refused = house.corpus().search(&a, std::slice::from_ref(&store), request).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_request");
    assert_eq!(house.ledger.delete_expired(house.now()).await.unwrap().stores, 1);
    house.settle().await;
    assert_eq!(house.points(&a, &store).await, 0);
    assert!(house.keys(&a).await.iter().all(|key| !key.starts_with("texts/") && !key.starts_with("embeddings/")));
    assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::Completed, "it is listed");
}

#[tokio::test]
async fn a_document_attached_again_survives_the_cleaning_up_of_its_past() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.settle().await;
    house.ledger.detach(&a, &store, &file, house.now()).await.unwrap();
    house.attach(&a, &store, &file).await;
    house.settle().await;
    assert_eq!(house.find(&a, &store, COMMON).await.len(), 3);
    assert_eq!(house.points(&a, &store).await, 3);
}

#[tokio::test]
async fn a_sweep_finds_what_no_job_knows_of() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let kept = house.add(&a, &store, "book.md", &book(2)).await;
    house.settle().await;
    let put = async |key: String| {
        house.objects.put(&a, &ObjectKey::parse(&key).unwrap(), once("x")).await.unwrap();
    };
    let old =
        format!("file-{}", uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000, 0)).simple());
    let young = new_id("file-");
    put(format!("files/{old}")).await;
    put(format!("files/{young}")).await;
    put(format!("texts/{kept}/{store}/999")).await;
    put("texts/file-gone/vs_gone/1".to_owned()).await;
    let swept = house.corpus().sweep().await.unwrap();
    assert_eq!((swept.versions, swept.files), (2, 1));
    let keys = house.keys(&a).await;
    assert!(keys.contains(&format!("files/{young}")) && keys.contains(&format!("files/{kept}")));
    assert_eq!(house.find(&a, &store, COMMON).await.len(), 2);
    assert_eq!(house.corpus().sweep().await.unwrap(), kubemate_corpus::Swept::default());
}
