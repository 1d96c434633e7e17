//! What the two ends of a connection, its bytes and its requests, know of each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use futures::task::AtomicWaker;
use tokio_util::sync::CancellationToken;

use super::violation::Noted;

/// Shared by the guarded socket and the service of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) in_flight: InFlight,
    pub(super) noted: Noted,
    /// Cancelled when the connection should end politely: what is open is answered, nothing new is taken.
    pub(super) retire: CancellationToken,
}

/// How many requests of one connection are being answered: the client's silence is no fault while there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    open: AtomicUsize,
    /// HTTP/2 answers end in tasks of their own: the connection has to be told that its idle time begins.
    emptied: AtomicWaker,
}

impl InFlight {
    /// Counts one request until the guard is dropped.
    pub(super) fn enter(&self) -> InFlightGuard {
        self.0.open.fetch_add(1, Ordering::AcqRel);
        InFlightGuard(self.clone())
    }

    /// Whether any request is open; when the last ends, `waker` is told.
    pub(super) fn any(&self, waker: &Waker) -> bool {
        self.0.emptied.register(waker);
        self.0.open.load(Ordering::Acquire) > 0
    }
}

/// Held by an answer until its last byte is written or its body is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard(InFlight);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let count = &self.0.0;
        if count.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            count.emptied.wake();
        }
    }
}
