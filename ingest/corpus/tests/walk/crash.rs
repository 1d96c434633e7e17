//! The end of the process at every moment it can end at: the worker's future is dropped after its first poll, its
//! second, and so on, until it gets through. Then another process starts.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};

use kubemate_ledger::DocumentStatus;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::house::{COMMON, House, book, tenant};

/// Polls to the last of which a worker lives. The walks below need fewer.
const LONGEST_LIFE: usize = 3000;

/// Ends a future after so many polls. `None`: it was ended.
struct ShortLived<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for ShortLived<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let polled = self.inner.as_mut().poll(context).map(Some);
        if polled.is_pending() && self.left == 0 { Poll::Ready(None) } else { polled }
    }
}

/// Works for `polls` polls, or until nothing is left to do. Whether it got through.
async fn live(house: &House, polls: usize) -> bool {
    let (corpus, stop) = (house.corpus(), CancellationToken::new());
    let worker = ShortLived { inner: Box::pin(corpus.worker(stop.clone())), left: polls };
    let idle = async {
        house.until(async || house.ledger.jobs_due(i64::MAX).await.unwrap() == 0).await;
    };
    let through = tokio::select! {
        biased;
        _ = worker => false,
        () = idle => true,
    };
    house.until(async || house.objects.is_at_rest()).await;
    through
}

/// The polls at which to end: each of the first, when most happens, then fewer.
fn moments() -> impl Iterator<Item = usize> {
    (1..120).chain((120..400).step_by(3)).chain((400..LONGEST_LIFE).step_by(20))
}

#[tokio::test]
async fn no_document_is_lost_doubled_or_half_visible_wherever_indexing_ends() {
    for polls in moments() {
        let (house, a) = (House::new().await, tenant("a"));
        let store = house.store(&a).await;
        let file = house.add(&a, &store, "book.md", &book(5)).await;
        let through = live(&house, polls).await;
        let seen = house.find(&a, &store, COMMON).await.len();
        assert!(seen == 0 || seen == 5, "{seen} of 5 passages are visible after {polls} polls");
        house.hours_pass();
        house.settle().await;
        assert_eq!(house.status(&a, &store, &file).await, DocumentStatus::Completed, "after {polls} polls");
        assert_eq!(house.find(&a, &store, COMMON).await.len(), 5, "after {polls} polls");
        assert_eq!(house.points(&a, &store).await, 5, "after {polls} polls");
        assert!(house.embedder.embedded() <= 5 + 5 + 2, "passages at most twice, two questions; after {polls} polls");
        if through {
            return;
        }
    }
    panic!("the worker never got through");
}

#[tokio::test]
async fn one_whole_version_answers_wherever_replacing_ends() {
    let wide = json!({"type": "static", "static": {"max_chunk_size_tokens": 150, "chunk_overlap_tokens": 0}});
    for polls in moments() {
        let (house, a) = (House::new().await, tenant("a"));
        let store = house.store(&a).await;
        let text = book(5).replace("# ", "");
        let file = house.add(&a, &store, "book.txt", &text).await;
        house.settle().await;
        let before = house.find(&a, &store, COMMON).await.len();
        house.attach_with(&a, &store, &file, json!({}), wide.clone()).await;
        let through = live(&house, polls).await;
        let found = house.find(&a, &store, COMMON).await;
        let versions: BTreeSet<i64> = found.iter().map(|found| found.passage.version).collect();
        assert_eq!(versions.len(), 1, "after {polls} polls");
        let row = house.document(&a, &store, &file).await;
        let expected = if row.status == DocumentStatus::Completed { row.chunks as usize } else { before };
        assert_eq!(found.len(), expected, "after {polls} polls");
        house.hours_pass();
        house.settle().await;
        let row = house.document(&a, &store, &file).await;
        assert_eq!(row.status, DocumentStatus::Completed);
        assert_eq!(house.points(&a, &store).await, row.chunks as u64, "after {polls} polls");
        let texts = house.keys(&a).await.iter().filter(|key| key.starts_with("texts/")).count();
        assert_eq!(texts, 1, "after {polls} polls");
        if through {
            return;
        }
    }
    panic!("the worker never got through");
}

#[tokio::test]
async fn what_was_deleted_is_gone_wherever_cleaning_up_ends() {
    for polls in moments() {
        let (house, a) = (House::new().await, tenant("a"));
        let store = house.store(&a).await;
        let file = house.add(&a, &store, "book.md", &book(5)).await;
        house.settle().await;
        house.ledger.delete_file(&a, &file, house.now()).await.unwrap();
        let through = live(&house, polls).await;
        assert!(house.find(&a, &store, COMMON).await.is_empty(), "after {polls} polls");
        house.hours_pass();
        house.settle().await;
        assert_eq!(house.points(&a, &store).await, 0, "after {polls} polls");
        assert!(house.keys(&a).await.is_empty(), "after {polls} polls: {:?}", house.keys(&a).await);
        if through {
            return;
        }
    }
    panic!("the worker never got through");
}

#[tokio::test]
async fn deleting_while_a_dead_worker_held_the_document_leaves_nothing() {
    for polls in (1..120).step_by(7) {
        let (house, a) = (House::new().await, tenant("a"));
        let store = house.store(&a).await;
        let file = house.add(&a, &store, "book.md", &book(5)).await;
        live(&house, polls).await;
        house.ledger.detach(&a, &store, &file, house.now()).await.unwrap();
        assert!(house.find(&a, &store, COMMON).await.is_empty());
        house.hours_pass();
        house.settle().await;
        assert_eq!(house.points(&a, &store).await, 0, "after {polls} polls");
        assert_eq!(house.keys(&a).await, [format!("files/{file}")], "after {polls} polls");
    }
}
