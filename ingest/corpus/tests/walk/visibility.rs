//! What search may see while documents come and go.

use kubemate_ledger::DocumentStatus;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::house::{COMMON, House, book, tenant};

/// Takes all permits away, so that the next write of points waits behind them.
async fn shut(gate: &Semaphore) {
    gate.forget_permits(Semaphore::MAX_PERMITS);
}

#[tokio::test]
async fn passages_are_invisible_until_the_whole_document_is_there() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    shut(&house.vectors.gate).await;
    let file = house.add(&a, &store, "book.md", &book(4)).await;
    let (corpus, stop) = (house.corpus(), CancellationToken::new());
    let meanwhile = async {
        house.until(async || house.points(&a, &store).await == 4).await;
        assert!(house.find(&a, &store, COMMON).await.is_empty(), "the points are there, the document is not");
        assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::InProgress);
        house.vectors.gate.add_permits(1);
        house.until(async || house.status(&a, &store, &file).await == DocumentStatus::Completed).await;
        assert_eq!(house.find(&a, &store, COMMON).await.len(), 4);
        stop.cancel();
    };
    tokio::join!(corpus.worker(stop.clone()), meanwhile);
}

#[tokio::test]
async fn the_old_version_answers_until_the_new_one_is_complete() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(4)).await;
    house.settle().await;
    let old = house.document(&a, &store, &file).await.version;
    shut(&house.vectors.gate).await;
    house.attach_with(&a, &store, &file, json!({"new": true}), json!(null)).await;
    let (corpus, stop) = (house.corpus(), CancellationToken::new());
    let meanwhile = async {
        house.until(async || house.points(&a, &store).await == 8).await;
        let found = house.find_with(&corpus, &a, &store, COMMON).await;
        assert!(found.len() == 4 && found.iter().all(|found| found.passage.version == old));
        house.vectors.gate.add_permits(1);
        house.until(async || house.document(&a, &store, &file).await.searchable_version != Some(old)).await;
        let found = house.find_with(&corpus, &a, &store, COMMON).await;
        assert!(found.len() == 4 && found.iter().all(|found| found.passage.version > old), "{found:?}");
        stop.cancel();
    };
    tokio::join!(corpus.worker(stop.clone()), meanwhile);
}

#[tokio::test]
async fn a_detached_document_is_gone_for_the_very_next_search() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.add(&a, &store, "other.md", &book(2)).await;
    house.settle().await;
    let corpus = house.corpus();
    assert_eq!(house.find_with(&corpus, &a, &store, COMMON).await.len(), 5);
    assert!(house.ledger.detach(&a, &store, &file, house.now()).await.unwrap());
    assert_eq!(house.points(&a, &store).await, 5, "nobody has cleaned up yet");
    assert_eq!(house.find_with(&corpus, &a, &store, COMMON).await.len(), 2);
}

#[tokio::test]
async fn many_invisible_passages_do_not_hide_the_visible_ones() {
    let (mut house, a) = (House::new().await, tenant("a"));
    house.config.search.candidates = 4;
    let store = house.store(&a).await;
    let hidden = house.add(&a, &store, "hidden.md", &book(30)).await;
    house.add(&a, &store, "shown.md", "# Other\n\nThe kubemate manual names the price.\n").await;
    house.settle().await;
    house.ledger.detach(&a, &store, &hidden, house.now()).await.unwrap();
    let found = house.find(&a, &store, "kubemate book subject1 list").await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].filename, "shown.md");
}
