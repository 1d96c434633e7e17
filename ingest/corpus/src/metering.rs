//! Numbers of the ingest, in one place so that their names stay together.

use std::time::{Duration, Instant};

use metrics::{counter, histogram};

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Retried,
    CalledOff,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::CalledOff => "called_off",
        }
    }
}

/// A step of a job that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Parsing,
    Chunking,
    Embedding,
    Indexing,
}

impl Stage {
    /// The word shown as the document's stage, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parsing => "parsing",
            Self::Chunking => "chunking",
            Self::Embedding => "embedding",
            Self::Indexing => "indexing",
        }
    }
}

pub(crate) fn job_ended(kind: &'static str, outcome: Outcome, since: Instant) {
    counter!("kubemate_ingest_jobs_total", "kind" => kind, "outcome" => outcome.name()).increment(1);
    histogram!("kubemate_ingest_job_microseconds", "kind" => kind).record(micros(since.elapsed()));
}

pub(crate) fn stage_ended(stage: Stage, since: Instant) {
    histogram!("kubemate_ingest_stage_microseconds", "stage" => stage.name()).record(micros(since.elapsed()));
}

pub(crate) fn document_indexed(bytes: i64, passages: usize) {
    counter!("kubemate_ingest_bytes_total").increment(u64::try_from(bytes).unwrap_or_default());
    counter!("kubemate_ingest_passages_total").increment(passages as u64);
}

pub(crate) fn embedded(passages: usize, tokens: usize, truncated: usize) {
    counter!("kubemate_ingest_embedded_passages_total").increment(passages as u64);
    counter!("kubemate_ingest_embedded_tokens_total").increment(tokens as u64);
    counter!("kubemate_ingest_truncated_passages_total").increment(truncated as u64);
}

pub(crate) fn reused(passages: usize) {
    counter!("kubemate_ingest_reused_passages_total").increment(passages as u64);
}

pub(crate) fn searched(since: Instant) {
    histogram!("kubemate_retrieval_microseconds").record(micros(since.elapsed()));
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
