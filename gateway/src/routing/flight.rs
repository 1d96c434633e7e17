//! One answer under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

/// Counts as in flight until it is dropped; dropping it without [`Flight::ended`] is a client that left.
#[derive(Debug)]
pub(crate) struct Flight {
    open: Arc<AtomicU32>,
    begun: Instant,
    first: bool,
}

impl Flight {
    /// One more answer of a target whose open answers `open` counts.
    pub(super) fn begin(open: Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { open, begun: Instant::now(), first: false }
    }

    /// The first token is here; later calls do nothing.
    pub(crate) fn first_token(&mut self) {
        self.first = true;
    }

    /// The answer is whole.
    pub(crate) fn ended(self) {}

    /// The upstream broke off or stalled.
    pub(crate) fn failed(self) {}
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
