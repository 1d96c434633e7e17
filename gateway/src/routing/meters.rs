//! What `/metrics` shows of an upstream. Handles are made once, so that counting costs no look-up.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The series of one upstream.
#[derive(Debug)]
pub(super) struct Meters {
    ended: Counter,
    failed: Counter,
    refused: Counter,
    left: Counter,
    retried: Counter,
    ejected: Counter,
    connected: Counter,
    in_flight: Gauge,
    first_piece: Histogram,
}

impl Meters {
    pub(super) fn new(upstream: &str) -> Self {
        let requests = |outcome: &'static str| counter!("kubemate_upstream_requests_total", "upstream" => upstream.to_owned(), "outcome" => outcome);
        let name = || upstream.to_owned();
        Self {
            ended: requests("ended"),
            failed: requests("failed"),
            refused: requests("refused"),
            left: requests("left"),
            retried: counter!("kubemate_upstream_retries_total", "upstream" => name()),
            ejected: counter!("kubemate_upstream_ejections_total", "upstream" => name()),
            connected: counter!("kubemate_upstream_connections_total", "upstream" => name()),
            in_flight: gauge!("kubemate_upstream_requests_in_flight", "upstream" => name()),
            first_piece: histogram!("kubemate_upstream_first_byte_microseconds", "upstream" => name()),
        }
    }

    pub(super) fn ended(&self) {
        self.ended.increment(1);
    }

    pub(super) fn failed(&self) {
        self.failed.increment(1);
    }

    pub(super) fn refused(&self) {
        self.refused.increment(1);
    }

    pub(super) fn left(&self) {
        self.left.increment(1);
    }

    pub(super) fn retried(&self) {
        self.retried.increment(1);
    }

    pub(super) fn ejected(&self) {
        self.ejected.increment(1);
    }

    pub(super) fn connected(&self) {
        self.connected.increment(1);
    }

    pub(super) fn in_flight(&self, count: f64) {
        self.in_flight.set(count);
    }

    pub(super) fn first_piece(&self, took: Duration) {
        self.first_piece.record(took.as_secs_f64() * 1e6);
    }
}
