//! The scheduler with a worker whose every batch the test lets go.

use std::sync::mpsc;

use futures::{FutureExt, future::join_all, poll};

use super::*;

/// Shows each batch to the test, then waits for leave to go on. The result of a task is its token ids.
struct Gated {
    begun: mpsc::Sender<Vec<Vec<u32>>>,
    leave: mpsc::Receiver<()>,
}

impl Compute for Gated {
    fn run(&mut self, batch: &[&Task]) -> Vec<Vec<f32>> {
        let tokens = batch.iter().map(|task| task.tokens.clone());
        self.begun.send(tokens.collect()).ok();
        self.leave.recv().ok();
        assert!(batch.iter().all(|task| task.tokens != [666]), "the test asked for a failure");
        batch.iter().map(|task| task.tokens.iter().map(|id| *id as f32).collect()).collect()
    }
}

struct Bench {
    scheduler: Scheduler,
    begun: mpsc::Receiver<Vec<Vec<u32>>>,
    leave: mpsc::Sender<()>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (begun_in, begun) = mpsc::channel();
        let (leave, leave_out) = mpsc::channel();
        let worker = Gated { begun: begun_in, leave: leave_out };
        let scheduler = Scheduler::start("test", limits, 10.0, vec![worker]).unwrap();
        Self { scheduler, begun, leave }
    }

    fn run<'a>(
        &'a self,
        sequences: &[&[u32]],
        priority: Priority,
    ) -> impl Future<Output = Result<Vec<Vec<f32>>, EngineError>> + 'a {
        let tasks = sequences.iter().map(|ids| Task { tokens: ids.to_vec(), want: Want::Pooled }).collect();
        self.scheduler.run(tasks, priority)
    }

    /// The batch that the worker has just begun.
    fn begun(&self) -> Vec<Vec<u32>> {
        self.begun.recv().unwrap()
    }

    fn go(&self, batches: usize) {
        (0..batches).for_each(|_| self.leave.send(()).unwrap());
    }
}

const ROOMY: Limits = Limits { queue: 1000, batch: 10 };

#[tokio::test]
async fn results_come_in_the_order_of_the_request() {
    let bench = Bench::new(ROOMY);
    bench.go(3);
    let results = bench.run(&[&[1], &[2, 2, 2], &[3; 9]], Priority::Bulk).await.unwrap();
    assert_eq!(results, [vec![1.0], vec![2.0; 3], vec![3.0; 9]]);
    assert_eq!(bench.run(&[], Priority::Bulk).await, Ok(Vec::new()));
}

#[tokio::test]
async fn what_waits_becomes_one_batch_within_the_budget_longest_first() {
    let bench = Bench::new(ROOMY);
    let mut first = Box::pin(bench.run(&[&[1]], Priority::Bulk));
    assert!(poll!(&mut first).is_pending());
    assert_eq!(bench.begun(), [[1]]);
    let mut others =
        [&[2_u32; 2][..], &[3; 5], &[4; 3], &[5; 1]].map(|ids| bench.run(&[ids], Priority::Bulk).boxed_local());
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    bench.go(3);
    first.await.unwrap();
    assert_eq!(bench.begun(), [vec![3; 5], vec![4; 3], vec![2; 2]]);
    assert_eq!(bench.begun(), [[5]]);
    assert!(join_all(others).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn interactive_work_goes_ahead_and_bulk_work_still_gets_its_turn() {
    let bench = Bench::new(Limits { queue: 1000, batch: 1 });
    let mut running = bench.run(&[&[0]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut running).is_pending());
    bench.begun();
    let mut bulk = bench.run(&[&[1]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut bulk).is_pending());
    let mut queries: Vec<_> = (0..10).map(|_| bench.run(&[&[2]], Priority::Interactive).boxed_local()).collect();
    for query in &mut queries {
        assert!(poll!(query).is_pending());
    }
    bench.go(12);
    let order: Vec<u32> = (0..11).map(|_| bench.begun()[0][0]).collect();
    assert_eq!(order, [2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2]);
    assert!(join_all(queries).await.iter().all(Result::is_ok));
    assert!(bulk.await.is_ok() && running.await.is_ok());
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let bench = Bench::new(Limits { queue: 20, batch: 10 });
    let mut running = bench.run(&[&[1; 10]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut running).is_pending());
    bench.begun();
    let mut waiting = bench.run(&[&[2; 10], &[2; 5]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut waiting).is_pending());
    let refused = bench.run(&[&[3; 10]], Priority::Interactive).await;
    // 15 tokens wait and 10 run, at 10 tokens a second.
    assert_eq!(refused, Err(EngineError::QueueFull { retry_after: Duration::from_millis(2500) }));
    bench.go(3);
    assert!(running.await.is_ok() && waiting.await.is_ok());
    bench.go(5);
    assert!(
        bench.run(&[&[4_u32; 10][..]; 5], Priority::Bulk).await.is_ok(),
        "alone, a request may be larger than the queue"
    );
}

#[tokio::test]
async fn a_dropped_request_is_not_computed() {
    let bench = Bench::new(Limits { queue: 20, batch: 10 });
    let mut running = bench.run(&[&[1]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut running).is_pending());
    bench.begun();
    let mut dropped = bench.run(&[&[2; 20]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut dropped).is_pending());
    drop(dropped);
    let mut next = bench.run(&[&[3; 8]], Priority::Bulk).boxed_local();
    assert!(poll!(&mut next).is_pending(), "its place in the queue is free again");
    bench.go(2);
    assert_eq!(bench.begun(), [[3; 8]]);
    assert!(running.await.is_ok() && next.await.is_ok());
}

#[tokio::test]
async fn a_stopped_model_answers_what_waits() {
    let mut bench = Bench::new(ROOMY);
    let (scheduler, other) = (bench.scheduler, Bench::new(ROOMY));
    let task = |id| vec![Task { tokens: vec![id], want: Want::Pooled }];
    let mut running = scheduler.run(task(1), Priority::Bulk).boxed_local();
    assert!(poll!(&mut running).is_pending());
    assert_eq!(bench.begun.recv().unwrap(), [[1]]);
    let mut waiting = scheduler.run(task(2), Priority::Bulk).boxed_local();
    assert!(poll!(&mut waiting).is_pending());
    scheduler.shared.lock().stop();
    assert_eq!(waiting.await, Err(EngineError::Stopped));
    assert_eq!(scheduler.run(task(3), Priority::Bulk).await, Err(EngineError::Stopped));
    bench.leave.send(()).unwrap();
    assert!(running.await.is_ok(), "what runs is finished");
    bench.scheduler = other.scheduler;
}

#[tokio::test]
async fn a_failing_worker_fails_its_batch_and_goes_on() {
    let bench = Bench::new(ROOMY);
    bench.go(2);
    let failed = bench.run(&[&[666]], Priority::Bulk).await;
    assert!(matches!(failed, Err(EngineError::Inference(_))), "{failed:?}");
    assert!(bench.run(&[&[1]], Priority::Bulk).await.is_ok());
}
