//! What goes wrong, and what is left of it.

use kubemate_engine::EngineError;
use kubemate_ledger::DocumentStatus;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::house::{COMMON, House, book, tenant};

#[tokio::test]
async fn a_model_that_is_down_is_asked_again_later() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.embedder.fail_with(Some(EngineError::Inference("the device is busy".into())));
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.settle().await;
    let row = house.document(&a, &store, &file).await;
    assert_eq!((row.status, row.stage.as_str()), (DocumentStatus::InProgress, "waiting to retry"));
    house.embedder.fail_with(None);
    house.hours_pass();
    house.settle().await;
    assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::Completed);
    assert_eq!(house.points(&a, &store).await, 3);
}

#[tokio::test]
async fn what_keeps_failing_is_given_up_with_a_code_and_leaves_nothing() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(3)).await;
    house.vectors.failures.store(100, Ordering::SeqCst);
    for _ in 0..house.config.worker.most_attempts {
        house.settle().await;
        house.hours_pass();
    }
    let row = house.document(&a, &store, &file).await;
    assert_eq!((row.status, row.error_code.as_deref()), (DocumentStatus::Failed, Some("vectors_unavailable")));
    assert_eq!(house.failed_jobs(&a, &store, &file).await, 1);
    let left: Vec<String> = house.keys(&a).await.into_iter().filter(|key| !key.starts_with("files/")).collect();
    assert!(left.iter().all(|key| key.starts_with("names/")), "{left:?}");
    assert_eq!(house.embedder.embedded(), 3, "five attempts embedded once");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_at_once_with_a_sentence() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let empty = house.add(&a, &store, "empty.txt", "").await;
    let broken = house.add(&a, &store, "broken.pdf", "%PDF-1.7\nnot a pdf at all").await;
    house.settle().await;
    let row = house.document(&a, &store, &empty).await;
    assert_eq!((row.status, row.error_code.as_deref()), (DocumentStatus::Failed, Some("empty_file")));
    assert_eq!(row.error_message.as_deref(), Some("the file is empty"));
    let row = house.document(&a, &store, &broken).await;
    assert_eq!(row.status, DocumentStatus::Failed);
    assert!(row.error_code.is_some_and(|code| code == "broken_file" || code == "unsupported_file"));
}

#[tokio::test]
async fn a_cancelled_document_stops_and_leaves_nothing() {
    let (mut house, a) = (House::new().await, tenant("a"));
    house.config.worker.lease = Duration::from_millis(30);
    let store = house.store(&a).await;
    house.vectors.gate.forget_permits(Semaphore::MAX_PERMITS);
    let file = house.add(&a, &store, "book.md", &book(4)).await;
    let (corpus, stop) = (house.corpus(), CancellationToken::new());
    let meanwhile = async {
        house.until(async || house.points(&a, &store).await == 4).await;
        assert!(house.ledger.cancel_document_job(&a, &store, &file, house.now()).await.unwrap());
        house.vectors.gate.add_permits(1);
        house.until(async || house.points(&a, &store).await == 0).await;
        house.until(async || !house.keys(&a).await.iter().any(|key| key.starts_with("texts/"))).await;
        stop.cancel();
    };
    tokio::join!(corpus.worker(stop.clone()), meanwhile);
    assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::Cancelled);
    assert!(house.find(&a, &store, COMMON).await.is_empty());
    assert!(!house.keys(&a).await.iter().any(|key| key.starts_with("embeddings/")));
}

#[tokio::test]
async fn a_stopping_process_hands_its_job_back_untried() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    house.vectors.gate.forget_permits(Semaphore::MAX_PERMITS);
    let file = house.add(&a, &store, "book.md", &book(4)).await;
    let (corpus, stop) = (house.corpus(), CancellationToken::new());
    let meanwhile = async {
        house.until(async || house.points(&a, &store).await == 4).await;
        stop.cancel();
        house.vectors.gate.add_permits(1);
    };
    tokio::join!(corpus.worker(stop.clone()), meanwhile);
    let job = house.ledger.jobs_of(&a, &store, &file).await.unwrap().remove(0);
    assert_eq!((job.attempts, job.worker), (0, None));
    house.vectors.gate.add_permits(10);
    house.settle().await;
    assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::Completed);
    assert_eq!(house.embedder.embedded(), 4, "what was embedded before the stop is still there");
}

#[tokio::test]
async fn a_document_that_ends_the_process_each_time_is_given_up() {
    let (house, a) = (House::new().await, tenant("a"));
    let store = house.store(&a).await;
    let file = house.add(&a, &store, "book.md", &book(2)).await;
    for _ in 0..house.config.worker.most_attempts {
        let now_ms = house.clock.load(Ordering::SeqCst);
        assert!(house.ledger.lease_job("doomed", now_ms, 1000).await.unwrap().is_some());
        house.hours_pass();
    }
    house.settle().await;
    let row = house.document(&a, &store, &file).await;
    assert_eq!((row.status, row.error_code.as_deref()), (DocumentStatus::Failed, Some("attempts_exhausted")));
}
