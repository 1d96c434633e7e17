//! Where generations wait, and how long they will.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc::UnboundedSender;

use crate::{EngineError, GenerateEvent, Sampling};

/// One generation that was accepted.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Vec<u32>,
    /// Most tokens of each choice; prompt and answer fit the context.
    pub(crate) most: usize,
    pub(crate) stop: Vec<String>,
    pub(crate) choices: usize,
    pub(crate) sampling: Sampling,
    pub(crate) logprobs: Option<usize>,
    /// Who may share computed beginnings with whom; `None` shares nothing.
    pub(crate) salt: Option<String>,
    pub(crate) events: UnboundedSender<Result<GenerateEvent, EngineError>>,
}

/// A bounded queue between callers and the scheduler's thread.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    closed: bool,
    speed: Speed,
    activity: Activity,
}

/// What a model does and has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Generations that wait.
    pub waiting: usize,
    /// Choices that are computed.
    pub choices: usize,
    /// Prompt tokens that were computed.
    pub read: u64,
    /// Prompt tokens that were not computed because their keys and values were kept.
    pub reused: u64,
    /// Tokens that were drawn.
    pub drawn: u64,
}

/// Speeds measured lately.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// Prompt tokens a second.
    pub(crate) reading: f64,
    /// Drawn tokens a second, all sequences together.
    pub(crate) writing: f64,
    /// Tokens an answer had.
    pub(crate) answer: f64,
}

/// Longest wait that is advised: clients of the OpenAI API ignore a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl Speed {
    /// What a small model does on one slow core; replaced by measurements with the first steps.
    pub(crate) const START: Self = Self { reading: 100.0, writing: 20.0, answer: 200.0 };

    fn seconds(&self, job: &Job) -> f64 {
        let answer = self.answer.min(job.most as f64) * job.choices as f64;
        job.prompt.len() as f64 / self.reading + answer / self.writing
    }
}

impl Queue {
    /// Takes at most `limit` waiting jobs.
    pub(crate) fn new(limit: usize) -> Self {
        let state =
            State { waiting: VecDeque::new(), closed: false, speed: Speed::START, activity: Activity::default() };
        Self { state: Mutex::new(state), changed: Condvar::new(), limit: limit.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(crate) fn push(&self, job: Job) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EngineError::Stopped);
        }
        if state.waiting.len() >= self.limit {
            state.waiting.retain(|job| !job.events.is_closed());
        }
        if state.waiting.len() >= self.limit {
            let seconds: f64 = state.waiting.iter().map(|job| state.speed.seconds(job)).sum();
            let wait = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT);
            let retry_after = wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
            return Err(EngineError::QueueFull { retry_after });
        }
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job if `fits` takes it.
    pub(crate) fn take(&self, fits: impl Fn(&Job) -> bool) -> Option<Job> {
        let mut state = self.lock();
        while state.waiting.front().is_some_and(|job| job.events.is_closed()) {
            state.waiting.pop_front();
        }
        if state.waiting.front().is_some_and(fits) { state.waiting.pop_front() } else { None }
    }

    /// Waits for a job. False when the queue was closed.
    pub(crate) fn wait(&self) -> bool {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Whether the model is being shut down.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Notes speeds for the next refusal, and what was done.
    pub(crate) fn note(&self, speed: Speed, activity: Activity) {
        let mut state = self.lock();
        (state.speed, state.activity) = (speed, activity);
    }

    /// What the model does and has done, as of the last token.
    pub(crate) fn activity(&self) -> Activity {
        let state = self.lock();
        Activity { waiting: state.waiting.len(), ..state.activity }
    }

    /// Takes nothing more, and tells those who wait.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for job in state.waiting.drain(..) {
            // Whoever went away needs no answer.
            let _ = job.events.send(Err(EngineError::Stopped));
        }
        drop(state);
        self.changed.notify_all();
    }
}
