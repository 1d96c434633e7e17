//! The threads of a model and the bounded queue before them.
//!
//! Batches form while the workers are busy: whoever is free takes what waits, interactive work first, up to a
//! budget of tokens. Each worker computes alone with its own memory; two workers of one thread finish more than one
//! worker of two threads, because nobody waits at barriers.

mod queue;
#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use self::queue::{Item, Queue};
use crate::{EngineError, Priority};

/// One sequence to compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) tokens: Vec<u32>,
    /// What is wanted of it.
    pub(crate) want: Want,
}

/// What a sequence is computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// One vector for the whole.
    Pooled,
    /// The vectors of its tokens, one after the other.
    States,
}

/// What a worker thread owns and runs.
pub(crate) trait Compute: Send + 'static {
    /// One result per task, in order.
    fn run(&mut self, batch: &[&Task]) -> Vec<Vec<f32>>;
}

/// How much may wait and how much runs at once, in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) queue: usize,
    pub(crate) batch: usize,
}

/// A model's queue and threads. The threads end after their batch when this is dropped; what waits is `Stopped`.
#[derive(Debug)]
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    model: String,
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// The results of one request as they come in.
#[derive(Debug)]
struct Job {
    gathered: Mutex<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    results: Vec<Vec<f32>>,
    missing: usize,
    answer: Option<oneshot::Sender<Result<Vec<Vec<f32>>, EngineError>>>,
}

/// Takes a request's waiting work out of the queue when its future is dropped.
struct Cancel<'a> {
    shared: &'a Shared,
    job: &'a Arc<Job>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.remove(self.job);
        self.shared.report_depth(&queue);
    }
}

impl Scheduler {
    /// Starts one thread per worker. `speed` is a first measure in tokens per second of one worker.
    ///
    /// # Errors
    /// `Inference` when the system gives no thread.
    pub(crate) fn start<C: Compute>(
        model: &str,
        limits: Limits,
        speed: f64,
        workers: Vec<C>,
    ) -> Result<Self, EngineError> {
        let queue = Mutex::new(Queue::new(limits, speed, workers.len()));
        let shared = Arc::new(Shared { model: model.to_owned(), queue, ready: Condvar::new() });
        let scheduler = Self { shared };
        for (index, worker) in workers.into_iter().enumerate() {
            let shared = Arc::clone(&scheduler.shared);
            let builder = thread::Builder::new().name(format!("{model}-{index}"));
            builder.spawn(move || shared.work(worker)).map_err(|error| EngineError::Inference(error.to_string()))?;
        }
        Ok(scheduler)
    }

    /// Waits for the results of all tasks. Dropping the future drops the tasks that no worker has begun.
    ///
    /// # Errors
    /// `QueueFull` at once; `Stopped` when the model is shut down; `Inference` when a worker fails.
    pub(crate) async fn run(&self, tasks: Vec<Task>, priority: Priority) -> Result<Vec<Vec<f32>>, EngineError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, result) = oneshot::channel();
        let gathered = Gathered { results: vec![Vec::new(); tasks.len()], missing: tasks.len(), answer: Some(answer) };
        let job = Arc::new(Job { gathered: Mutex::new(gathered) });
        self.shared.submit(tasks, priority, &job)?;
        let _cancel = Cancel { shared: &self.shared, job: &job };
        result.await.unwrap_or(Err(EngineError::Stopped))
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.lock().stop();
        self.shared.ready.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, tasks: Vec<Task>, priority: Priority, job: &Arc<Job>) -> Result<(), EngineError> {
        let mut queue = self.lock();
        let accepted = queue.push(tasks, priority, job);
        self.report_depth(&queue);
        drop(queue);
        if let Err(EngineError::QueueFull { retry_after }) = &accepted {
            metrics::counter!("kubemate_embed_refused_total", "model" => self.model.clone()).increment(1);
            tracing::warn!(model.name = %self.model, retry_after_ms = retry_after.as_millis() as u64, "queue is full");
        }
        self.ready.notify_all();
        accepted
    }

    /// The life of a worker thread.
    fn work(&self, mut worker: impl Compute) {
        while let Some(batch) = self.next_batch() {
            let tokens = batch.iter().map(Item::tokens).sum();
            let began = Instant::now();
            self.report_batch(&batch, tokens, began);
            let tasks: Vec<&Task> = batch.iter().map(|item| &item.task).collect();
            // A panic here is our mistake and must not take the other requests of this model with it.
            let results = catch_unwind(AssertUnwindSafe(|| worker.run(&tasks)));
            self.lock().finished(tokens, began.elapsed());
            match results {
                Ok(results) => {
                    batch.iter().zip(results).for_each(|(item, result)| item.job.deliver(item.index, result))
                }
                Err(_) => {
                    let failed = EngineError::Inference("a worker failed".to_owned());
                    batch.iter().for_each(|item| item.job.fail(failed.clone()));
                }
            }
        }
    }

    /// Waits for work. `None` when the model stops.
    fn next_batch(&self) -> Option<Vec<Item>> {
        let mut queue = self.lock();
        loop {
            if queue.is_stopped() {
                return None;
            }
            if let Some(batch) = queue.take() {
                self.report_depth(&queue);
                return Some(batch);
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn report_depth(&self, queue: &Queue) {
        metrics::gauge!("kubemate_embed_queue_tokens", "model" => self.model.clone()).set(queue.waiting() as f64);
    }

    fn report_batch(&self, batch: &[Item], tokens: usize, now: Instant) {
        metrics::counter!("kubemate_embed_tokens_total", "model" => self.model.clone()).increment(tokens as u64);
        metrics::histogram!("kubemate_embed_batch_tokens", "model" => self.model.clone()).record(tokens as f64);
        let wait = metrics::histogram!("kubemate_embed_wait_us", "model" => self.model.clone());
        batch.iter().for_each(|item| wait.record(micros(now - item.since)));
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, index: usize, result: Vec<f32>) {
        let mut gathered = self.lock();
        if let Some(slot) = gathered.results.get_mut(index) {
            *slot = result;
            gathered.missing -= 1;
        }
        if gathered.missing == 0
            && let Some(answer) = gathered.answer.take()
        {
            let results = std::mem::take(&mut gathered.results);
            // Nobody listens when the caller went away in the meantime.
            answer.send(Ok(results)).ok();
        }
    }

    fn fail(&self, error: EngineError) {
        if let Some(answer) = self.lock().answer.take() {
            answer.send(Err(error)).ok();
        }
    }
}
