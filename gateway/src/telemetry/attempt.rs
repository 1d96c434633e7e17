//! One request to an upstream: how long it took to begin, or to fail.

use std::{sync::Arc, time::Instant};

use super::request::{Request, current};

/// An attempt under way; it ends when it is dropped, at the head of the upstream's answer.
#[derive(Debug)]
pub(crate) struct Attempt {
    request: Option<Arc<Request>>,
    begun: Instant,
}

impl Attempt {
    /// An attempt of the request that this code runs for.
    pub(crate) fn begin() -> Self {
        Self { request: current(), begun: Instant::now() }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(request) = &self.request {
            request.waited(self.begun.elapsed());
        }
    }
}
