//! What was looked up a moment ago, so that a warm request asks no ledger.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use kubemate_identity::{Caller, KeyHash};

/// How long an answer is believed: a revocation by another process acts within this time (SECURITY: 1 s).
const BELIEVED: Duration = Duration::from_millis(900);
/// Answers remembered at once; a flood of made-up keys clears the table rather than filling the memory.
const REMEMBERED: usize = 100_000;

/// The answer for a key, `None` for one that is not good.
type Answer = Option<Arc<Caller>>;

/// Recent answers by key hash.
#[derive(Debug, Default)]
pub(super) struct Believed(RwLock<HashMap<KeyHash, (Instant, Answer)>>);

impl Believed {
    /// The answer for `hash` when it is young enough.
    pub(super) fn get(&self, hash: &KeyHash) -> Option<Answer> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(hash).filter(|(asked, _)| asked.elapsed() < BELIEVED).map(|(_, answer)| answer.clone())
    }

    /// Remembers an answer.
    pub(super) fn insert(&self, hash: KeyHash, answer: Answer) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= REMEMBERED {
            table.clear();
        }
        table.insert(hash, (Instant::now(), answer));
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
