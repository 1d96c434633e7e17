//! The thread that computes: many choices at once, joined and left between tokens.
//!
//! A step takes one token of every choice that is writing and a slice of the prompts that are being read, and sends
//! them through the network together. The slice is as long as a twentieth of a second allows at the speed measured,
//! so a long prompt delays running answers by no more than that per token.

use std::{sync::Arc, time::Instant};

use super::{
    choice::Choice,
    network::{Network, Row},
    pace::Pace,
    pages::{Memory, PAGE},
    prefix::Prefixes,
    prompt::Encoder,
    queue::{Activity, Job, Queue, Speed},
    team::Team,
};
use crate::GenerateEvent;

/// Choices that are computed at once. Each keeps keys and values of at most one context.
pub(crate) const CHOICES: usize = 8;
/// Seconds a step may last because of prompts while answers are being written.
const SLICE_SECONDS: f64 = 0.05;
/// Prompt tokens of one step, at least and at most. More than 256 at once no longer read faster.
const SLICE: (usize, usize) = (16, 256);
/// Prompt tokens from which on a step tells the speed of reading: fewer cost about as much as eight.
const MEASURED: usize = 32;
/// Weight of the newest measurement in a running mean.
const NEWEST: f64 = 0.2;

/// Computes the jobs of a queue.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) network: Arc<Network>,
    pub(crate) encoder: Arc<Encoder>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) prefixes: Prefixes,
    choices: Vec<Choice>,
    speed: Speed,
    pace: Pace,
    activity: Activity,
}

/// Closes the queue when the thread ends, however it ends: nobody waits for a thread that is gone.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Scheduler {
    /// Computes with a network; at most `kept` pages of recent prompts are kept.
    pub(crate) fn new(network: Arc<Network>, encoder: Arc<Encoder>, queue: Arc<Queue>, kept: usize) -> Self {
        let prefixes = Prefixes::new(kept);
        Self {
            network,
            encoder,
            queue,
            prefixes,
            choices: Vec::new(),
            speed: Speed::START,
            pace: Pace::default(),
            activity: Activity::default(),
        }
    }

    /// Computes until the queue is closed.
    pub(crate) fn run(mut self, team: &Team) {
        let _close = CloseOnDrop(Arc::clone(&self.queue));
        team.inside(|| {
            while !self.queue.is_closed() {
                self.choices.retain(|choice| !choice.is_cancelled());
                self.admit();
                if self.choices.is_empty() {
                    if !self.queue.wait() {
                        return;
                    }
                } else {
                    self.step(team);
                }
            }
            for choice in &self.choices {
                let _ = choice.job.events.send(Err(crate::EngineError::Stopped));
            }
        });
    }

    /// Takes waiting jobs while there is room for all their choices.
    fn admit(&mut self) {
        loop {
            // A job that is being read counts with all the choices it will have.
            let busy: usize =
                self.choices.iter().map(|choice| if choice.is_reading() { choice.job.choices } else { 1 }).sum();
            let Some(job) = self.queue.take(|job| busy == 0 || busy + job.choices <= CHOICES) else { return };
            let _ = job.events.send(Ok(GenerateEvent::Started { prompt_tokens: job.prompt.len() }));
            let choice = self.start(job);
            self.choices.push(choice);
        }
    }

    fn start(&mut self, job: Job) -> Choice {
        let pages = match &job.salt {
            Some(salt) => self.prefixes.find(salt, &job.prompt),
            None => Vec::new(),
        };
        let computed = pages.len() * PAGE;
        self.activity.reused += computed as u64;
        let memory = Memory::with_pages(self.network.architecture(), pages);
        Choice::first(job, memory, computed)
    }

    fn step(&mut self, team: &Team) {
        let started = Instant::now();
        let takes = self.plan();
        let rows = rows(&self.choices, &takes);
        let mut memories: Vec<&mut Memory> = self.choices.iter_mut().map(|choice| &mut choice.memory).collect();
        let together = team.has_choice() && self.pace.together(rows.len());
        team.work(together);
        let scores = self.network.forward(team, &rows, &mut memories);
        let writing = self.choices.iter().filter(|choice| !choice.is_reading()).count();
        for (choice, take) in self.choices.iter_mut().zip(&takes) {
            choice.computed += take;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.pace.note(rows.len(), together, seconds);
        self.measure(rows.len(), writing, seconds);
        self.draw(&takes, scores);
        self.activity.choices = self.choices.len();
        self.queue.note(self.speed, self.activity);
    }

    /// How many tokens of each choice this step computes.
    fn plan(&self) -> Vec<usize> {
        let writing = self.choices.iter().filter(|choice| !choice.is_reading()).count();
        let (least, most) = SLICE;
        let mut left =
            if writing == 0 { most } else { ((self.speed.reading * SLICE_SECONDS) as usize).clamp(least, most) };
        let take = |choice: &Choice| {
            if !choice.is_reading() {
                return 1;
            }
            let take = left.min(choice.job.prompt.len() - choice.computed);
            left -= take;
            take
        };
        self.choices.iter().map(take).collect()
    }

    fn draw(&mut self, takes: &[usize], scores: Vec<Vec<f32>>) {
        let mut scores = scores.into_iter();
        let mut kept = Vec::new();
        for (choice, take) in std::mem::take(&mut self.choices).into_iter().zip(takes) {
            if *take == 0 || choice.is_reading() {
                kept.push(choice);
                continue;
            }
            let Some(mut own) = scores.next() else { continue };
            let mut family = if choice.drawn() == 0 { choice.siblings() } else { Vec::new() };
            if choice.drawn() == 0 {
                self.keep(&choice);
            }
            family.insert(0, choice);
            let last = family.len() - 1;
            self.activity.drawn += family.len() as u64;
            // Before anybody hears of the tokens, so that whoever does finds them counted.
            self.queue.note(self.speed, self.activity);
            for (index, mut choice) in family.into_iter().enumerate() {
                let mut own = if index == last { std::mem::take(&mut own) } else { own.clone() };
                if choice.advance(&mut own, self.encoder.vocabulary()) {
                    self.speed.answer += NEWEST * (choice.drawn() as f64 - self.speed.answer);
                    self.keep(&choice);
                } else {
                    kept.push(choice);
                }
            }
        }
        self.choices = kept;
    }

    fn keep(&mut self, choice: &Choice) {
        if let Some(salt) = &choice.job.salt {
            let computed = choice.tokens.get(..choice.computed).unwrap_or_default();
            self.prefixes.keep(salt, computed, &choice.memory);
        }
    }

    /// Measures: a step that only reads, and enough for the time to be the tokens', or only writes, tells that speed.
    fn measure(&mut self, rows: usize, writing: usize, seconds: f64) {
        self.activity.read += (rows - writing) as u64;
        let newest = rows as f64 / seconds.max(1e-6);
        let speed = match writing {
            0 if rows >= MEASURED => &mut self.speed.reading,
            _ if writing == rows => &mut self.speed.writing,
            _ => return,
        };
        *speed += NEWEST * (newest - *speed);
    }
}

fn rows(choices: &[Choice], takes: &[usize]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (sequence, (choice, take)) in choices.iter().zip(takes).enumerate() {
        let end = choice.computed + take;
        let tokens = choice.tokens.iter().enumerate().skip(choice.computed).take(*take);
        rows.extend(tokens.map(|(position, token)| {
            // The last token of the prompt, or the one that was just drawn: its scores choose the next.
            let wanted = position + 1 == end && end == choice.tokens.len();
            Row { token: *token, position, sequence, wanted }
        }));
    }
    rows
}
