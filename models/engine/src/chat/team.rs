//! The threads one model computes on.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use crate::EngineError;

/// A private pool. A caller that is one of its threads keeps what no other thread takes, so a thread that the
/// system has put aside delays nobody: that is what makes decoding bearable on a busy machine.
pub(crate) struct Team {
    pool: ThreadPool,
    threads: usize,
    /// Whether the caller computes everything itself.
    alone: AtomicBool,
}

impl fmt::Debug for Team {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Team").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Team {
    /// Starts `threads` threads, the caller of [`Team::inside`] included.
    pub(crate) fn start(name: &str, threads: usize) -> Result<Self, EngineError> {
        let name = name.to_owned();
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| format!("{name}-{index}"))
            .build()
            .map_err(|error| EngineError::Inference(format!("cannot start threads: {error}")))?;
        Ok(Self { pool, threads, alone: AtomicBool::new(threads == 1) })
    }

    /// Runs `work` on a thread of the team.
    pub(crate) fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Whether there is a choice between one thread and several.
    pub(crate) fn has_choice(&self) -> bool {
        self.threads > 1
    }

    /// From now on all threads compute, or the caller alone.
    pub(crate) fn work(&self, together: bool) {
        self.alone.store(!together || self.threads == 1, Ordering::Relaxed);
    }

    fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// Does `work` for each piece of `length` items, with its number.
    pub(crate) fn each<T: Send>(&self, items: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync + Send) {
        let length = length.max(1);
        if self.is_alone() || items.len() <= length {
            for (index, piece) in items.chunks_mut(length).enumerate() {
                work(index, piece);
            }
        } else {
            items.par_chunks_mut(length).enumerate().for_each(|(index, piece)| work(index, piece));
        }
    }

    /// How many pieces to cut work into: enough that a late thread leaves others something to take.
    pub(crate) fn pieces(&self) -> usize {
        if self.is_alone() { 1 } else { self.threads * 4 }
    }
}
