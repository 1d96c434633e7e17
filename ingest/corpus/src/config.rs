//! Settings of this room.

use std::time::Duration;

use bytesize::ByteSize;
use kubemate_parse::Limits;
use serde::{Deserialize, Serialize};

use crate::ChunkConfig;
use crate::citations::CiteConfig;
use crate::search::SearchConfig;

/// Settings of the corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorpusConfig {
    /// Embedder of new knowledge bases; an existing one keeps the embedder it was made with.
    pub embedder: String,
    /// Most passages given to a chat model, whatever their length. Small models cite worse the more they are given.
    pub passages: usize,
    /// Most tokens of the chat model that these passages may take together.
    pub passage_tokens: usize,
    /// What becomes of the words of small local models beside a quote; see ADR 0051.
    pub quotes: Quotes,
    /// How documents are cut.
    pub chunking: ChunkConfig,
    /// How passages are found.
    pub search: SearchConfig,
    /// How answers are cited.
    pub cite: CiteConfig,
    /// How jobs are worked off.
    pub worker: WorkerConfig,
}

impl Default for CorpusConfig {
    fn default() -> Self {
        Self {
            embedder: "multilingual-e5-small".to_owned(),
            passages: 5,
            passage_tokens: 1200,
            quotes: Quotes::Alone,
            chunking: ChunkConfig::default(),
            search: SearchConfig::default(),
            cite: CiteConfig::default(),
            worker: WorkerConfig::default(),
        }
    }
}

/// How answers of small local models use quotes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quotes {
    /// The quote is the answer; the model is not asked.
    #[default]
    Alone,
    /// The quote, and behind it those sentences of the model that the passages support and that say something more.
    Before,
    /// The model's answer as it comes.
    Off,
}

/// How jobs are worked off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Documents worked on at once. Two: one is parsed while the other is embedded, and the embedder is one queue anyway.
    pub jobs_at_once: usize,
    /// How long a job belongs to a worker that shows no sign of life. The delay after a crash.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often to look for jobs of other processes and for those whose time has come.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How often a job is started before it is given up.
    pub most_attempts: i32,
    /// The wait before the second attempt; each further one waits twice as long.
    #[serde(with = "humantime_serde")]
    pub first_retry: Duration,
    /// The longest wait between two attempts.
    #[serde(with = "humantime_serde")]
    pub longest_retry: Duration,
    /// How long ended jobs are kept for operators to look at.
    #[serde(with = "humantime_serde")]
    pub keep_ended_jobs: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            jobs_at_once: 2,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(2),
            most_attempts: 5,
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_mins(10),
            keep_ended_jobs: Duration::from_hours(7 * 24),
        }
    }
}

impl WorkerConfig {
    /// The wait before the next attempt, in milliseconds; `None` when there is none.
    pub(crate) fn retry_in_ms(&self, attempts: i32) -> Option<i64> {
        let doubled = u32::try_from(attempts - 1).unwrap_or_default().min(16);
        let wait = self.first_retry.saturating_mul(1 << doubled).min(self.longest_retry);
        (attempts < self.most_attempts).then(|| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What a child process that reads documents may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChildLimits {
    /// Address space beyond what the child has at its start.
    pub memory: ByteSize,
    /// Processor time of one document.
    #[serde(with = "humantime_serde")]
    pub cpu: Duration,
    /// Time from the first byte sent to the last byte received.
    #[serde(with = "humantime_serde")]
    pub wall: Duration,
    /// Length of the reply.
    pub output: ByteSize,
    /// Children at once.
    pub children: usize,
    /// Documents that a child reads before it is replaced.
    pub documents_per_child: usize,
    /// Bounds inside the reader.
    pub limits: Limits,
}

impl Default for ChildLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize::gib(1),
            cpu: Duration::from_mins(2),
            wall: Duration::from_mins(5),
            output: ByteSize::mib(256),
            children: 2,
            documents_per_child: 64,
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_last_attempt() {
        let config = WorkerConfig { longest_retry: Duration::from_secs(15), ..WorkerConfig::default() };
        let waits: Vec<_> = (1..6).map(|attempts| config.retry_in_ms(attempts)).collect();
        assert_eq!(waits, [Some(5000), Some(10_000), Some(15_000), Some(15_000), None]);
    }
}
