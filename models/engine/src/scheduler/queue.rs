//! What waits, and in which order it is taken.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Job, Limits, Task};
use crate::{EngineError, Priority};

/// So many interactive batches in a row, and bulk work gets one: it is slowed down, never stopped.
const STREAK: usize = 8;

/// How much the newest batch counts in the measured speed.
const NEWEST: f64 = 0.2;

/// One sequence that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) task: Task,
    pub(super) job: Arc<Job>,
    /// Its place in the request.
    pub(super) index: usize,
    pub(super) since: Instant,
}

impl Item {
    pub(super) fn tokens(&self) -> usize {
        self.task.tokens.len()
    }
}

/// The waiting work of a model.
#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    workers: usize,
    interactive: VecDeque<Item>,
    bulk: VecDeque<Item>,
    /// Tokens in the two lines, and in the hands of workers.
    waiting: usize,
    running: usize,
    /// Tokens per second of one worker.
    speed: f64,
    /// Interactive batches since the last one of bulk work.
    streak: usize,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(limits: Limits, speed: f64, workers: usize) -> Self {
        let (interactive, bulk) = <_>::default();
        let workers = workers.max(1);
        Self { limits, workers, interactive, bulk, waiting: 0, running: 0, speed, streak: 0, stopped: false }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Adds a request's tasks. One that is larger than the queue is taken when nothing else waits.
    pub(super) fn push(&mut self, tasks: Vec<Task>, priority: Priority, job: &Arc<Job>) -> Result<(), EngineError> {
        if self.stopped {
            return Err(EngineError::Stopped);
        }
        let tokens: usize = tasks.iter().map(|task| task.tokens.len()).sum();
        if self.waiting > 0 && self.waiting + tokens > self.limits.queue {
            return Err(EngineError::QueueFull { retry_after: self.time_left() });
        }
        self.waiting += tokens;
        let since = Instant::now();
        let items = tasks.into_iter().enumerate();
        let items = items.map(|(index, task)| Item { task, job: Arc::clone(job), index, since });
        match priority {
            Priority::Interactive => self.interactive.extend(items),
            Priority::Bulk => self.bulk.extend(items),
        }
        Ok(())
    }

    /// The time that all work here needs at the measured speed.
    fn time_left(&self) -> Duration {
        let seconds = (self.waiting + self.running) as f64 / (self.speed * self.workers as f64).max(1.0);
        Duration::from_secs_f64(seconds.clamp(0.1, 600.0))
    }

    /// The next batch, longest sequence first: interactive work if there is any, no more than the budget, and no more
    /// than a worker's share, so that free workers find something, too.
    pub(super) fn take(&mut self) -> Option<Vec<Item>> {
        let bulk_turn = self.interactive.is_empty() || (self.streak >= STREAK && !self.bulk.is_empty());
        self.streak = if bulk_turn { 0 } else { self.streak + 1 };
        let line = if bulk_turn { &mut self.bulk } else { &mut self.interactive };
        let first = line.pop_front()?;
        let mut total = first.tokens();
        // Summing no further than the budgets of all workers keeps this cheap under a long line.
        let enough = self.limits.batch * self.workers;
        let mut ahead = total;
        line.iter()
            .map(Item::tokens)
            .take_while(|tokens| {
                ahead += tokens;
                ahead < enough
            })
            .for_each(drop);
        let budget = ahead.div_ceil(self.workers).min(self.limits.batch);
        let mut batch = vec![first];
        while let Some(next) = line.pop_front_if(|next| total + next.tokens() <= budget) {
            total += next.tokens();
            batch.push(next);
        }
        self.waiting -= total;
        self.running += total;
        batch.sort_by_key(|item| std::cmp::Reverse(item.tokens()));
        Some(batch)
    }

    /// A worker is done with a batch.
    pub(super) fn finished(&mut self, tokens: usize, took: Duration) {
        self.running -= tokens;
        let speed = tokens as f64 / took.as_secs_f64().max(1e-6);
        self.speed += NEWEST * (speed - self.speed);
    }

    /// Drops what waits of a request.
    pub(super) fn remove(&mut self, job: &Arc<Job>) {
        for line in [&mut self.interactive, &mut self.bulk] {
            line.retain(|item| {
                let keep = !Arc::ptr_eq(&item.job, job);
                self.waiting -= if keep { 0 } else { item.tokens() };
                keep
            });
        }
    }

    /// Answers everything that waits with `Stopped`, and takes nothing more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        for item in self.interactive.drain(..).chain(self.bulk.drain(..)) {
            item.job.fail(EngineError::Stopped);
        }
        self.waiting = 0;
    }
}
