//! One choice of a generation while it is computed.

use std::sync::Arc;

use super::{
    pages::Memory,
    queue::Job,
    sampler::{LogProbabilities, Sampler},
    text::{Grown, Text},
    vocabulary::Vocabulary,
};
use crate::{FinishReason, GenerateEvent, TokenLogprob};

/// A sequence that the scheduler computes.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) job: Arc<Job>,
    number: usize,
    /// Prompt and answer.
    pub(crate) tokens: Vec<u32>,
    /// How many of the tokens are in `memory`.
    pub(crate) computed: usize,
    pub(crate) memory: Memory,
    sampler: Sampler,
    text: Text,
    /// Log probabilities of tokens whose text has not left, with the place where it begins.
    entries: Vec<(usize, TokenLogprob)>,
}

impl Choice {
    /// The first choice of a job; the others are copied from it when the prompt has been read.
    pub(crate) fn first(job: Job, memory: Memory, computed: usize) -> Self {
        let job = Arc::new(job);
        let tokens = job.prompt.clone();
        Self::new(job, 0, tokens, memory, computed)
    }

    fn new(job: Arc<Job>, number: usize, tokens: Vec<u32>, memory: Memory, computed: usize) -> Self {
        let sampler = Sampler::new(&job.sampling, number, &job.prompt);
        let text = Text::new(&job.stop);
        Self { job, number, tokens, computed, memory, sampler, text, entries: Vec::new() }
    }

    /// The other choices of the same job, which share the prompt's pages.
    pub(crate) fn siblings(&self) -> Vec<Self> {
        let sibling = |number| {
            let (job, memory) = (Arc::clone(&self.job), self.memory.clone());
            Self::new(job, number, self.tokens.clone(), memory, self.computed)
        };
        (1..self.job.choices).map(sibling).collect()
    }

    /// Whether the prompt is not wholly read.
    pub(crate) fn is_reading(&self) -> bool {
        self.computed < self.job.prompt.len()
    }

    /// Tokens that were drawn.
    pub(crate) fn drawn(&self) -> usize {
        self.tokens.len() - self.job.prompt.len()
    }

    /// Whether nobody waits for the answer.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.job.events.is_closed()
    }

    /// Draws the next token and reports it. True when the choice is complete.
    pub(crate) fn advance(&mut self, scores: &mut [f32], vocabulary: &Vocabulary) -> bool {
        let logs = self.job.logprobs.map(|count| (count, LogProbabilities::new(scores)));
        let token = self.sampler.draw(scores);
        self.tokens.push(token);
        if vocabulary.is_end(token) {
            let last = self.text.finish();
            self.report(last.text, true);
            return self.finish(FinishReason::Stop);
        }
        let start = self.text.len();
        let piece = if vocabulary.is_control(token) { &[] } else { vocabulary.piece(token) };
        let mut grown = self.text.push(piece);
        if let Some((count, logs)) = logs {
            self.entries.push((start, entry(token, &logs, count, vocabulary)));
        }
        let full = self.drawn() >= self.job.most;
        if full && !grown.stopped {
            let Grown { text, stopped } = self.text.finish();
            grown = Grown { text: grown.text + &text, stopped };
        }
        self.report(grown.text, full && !grown.stopped);
        match (grown.stopped, full) {
            (true, _) => self.finish(FinishReason::Stop),
            (false, true) => self.finish(FinishReason::Length),
            (false, false) => false,
        }
    }

    /// Sends text with the log probabilities of the tokens that it is made of, or of `all` tokens.
    fn report(&mut self, text: String, all: bool) {
        let sent = self.text.sent();
        let left = self.entries.iter().take_while(|(start, _)| all || *start < sent).count();
        let logprobs: Vec<_> = self.entries.drain(..left).map(|(_, entry)| entry).collect();
        if !text.is_empty() || !logprobs.is_empty() {
            let completion_tokens = self.drawn();
            self.send(GenerateEvent::Delta { choice: self.number, text, logprobs, completion_tokens });
        }
    }

    fn finish(&self, reason: FinishReason) -> bool {
        let (choice, completion_tokens) = (self.number, self.drawn());
        self.send(GenerateEvent::Finished { choice, reason, completion_tokens });
        true
    }

    fn send(&self, event: GenerateEvent) {
        // A receiver that went away is noticed before the next token.
        let _ = self.job.events.send(Ok(event));
    }
}

fn entry(token: u32, logs: &LogProbabilities, count: usize, vocabulary: &Vocabulary) -> TokenLogprob {
    let bytes = vocabulary.piece(token).to_vec();
    let top = logs
        .top(count)
        .into_iter()
        .map(|(token, logprob)| (vocabulary.name(token), vocabulary.piece(token).to_vec(), logprob));
    TokenLogprob { token: vocabulary.name(token), bytes, logprob: logs.of(token), top: top.collect() }
}
