//! Settings of the local engine.

use std::{num::NonZero, thread};

use serde::{Deserialize, Serialize};

/// How local models use this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalConfig {
    /// Threads each model computes on; unset means one per core.
    pub threads: Option<usize>,
    /// Generations that may wait for a chat model before it answers `QueueFull`.
    pub queue: usize,
    /// Tokens that may wait for an embedder before it answers `QueueFull`. A request larger than this is taken
    /// when nothing else waits.
    pub queue_tokens: usize,
    /// Most tokens one embedding batch holds. A query waits for at most one batch that is already running on
    /// each thread, so this bounds its wait.
    pub batch_tokens: usize,
    /// Most tokens of a chat model's answer when the request names no limit. Very small models now and then repeat
    /// themselves until their context is full; nobody reads that far.
    pub answer_tokens: u32,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self { threads: None, queue: 64, queue_tokens: 262_144, batch_tokens: 1024, answer_tokens: 1024 }
    }
}

impl LocalConfig {
    /// The number of compute threads: the setting, or the cores of this machine, at least 1.
    pub fn compute_threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.unwrap_or_else(cores).max(1)
    }
}
