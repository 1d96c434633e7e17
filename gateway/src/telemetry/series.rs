//! The metrics of requests and model calls. Labels are routes, methods, statuses and configured names only, never what
//! a client may choose; their handles are looked up once and kept.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::table::Table;

/// Most series of one name: 60 routes with their methods and statuses, or 500 models on a few upstreams, are far below.
const MOST: usize = 2000;

static REQUESTS: LazyLock<Table<Histogram>> = LazyLock::new(|| {
    Table::new(MOST, |route, method, status| {
        let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        histogram!("kubemate_request_duration_microseconds", &labels)
    })
});

static IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| gauge!("kubemate_requests_in_flight"));

/// A request head was answered.
pub(super) fn answered(method: &Method, route: &str, status: StatusCode, spent: Duration) {
    let method = match method.as_str() {
        known @ ("GET" | "POST" | "DELETE" | "PUT" | "PATCH" | "HEAD" | "OPTIONS") => known,
        _ => "other",
    };
    REQUESTS.get(route, method, status.as_u16()).record(micros(spent));
}

/// Requests whose answer is not complete, one more or less.
pub(super) fn in_flight() -> &'static Gauge {
    &IN_FLIGHT
}

/// What is observed of calls to one model on one upstream.
#[derive(Debug)]
pub(crate) struct CallSeries {
    pub(super) upstream_name: Box<str>,
    /// From the request to the head of its answer, less the time that upstreams took to begin theirs.
    pub(super) added: Histogram,
    /// From the request to the first piece of its answer.
    pub(super) first_token: Histogram,
    /// Until an upstream began its answer, each attempt by itself.
    pub(super) upstream: Histogram,
    /// Calls under way, streams to their end.
    pub(super) in_flight: Gauge,
}

static CALLS: LazyLock<Table<CallSeries>> = LazyLock::new(|| {
    Table::new(MOST, |model, upstream, _| {
        let labels = [("model", model.to_owned()), ("upstream", upstream.to_owned())];
        CallSeries {
            upstream_name: upstream.into(),
            added: histogram!("kubemate_gateway_added_microseconds", &labels),
            first_token: histogram!("kubemate_first_token_microseconds", &labels),
            upstream: histogram!("kubemate_upstream_wait_microseconds", &labels),
            in_flight: gauge!("kubemate_calls_in_flight", &labels),
        }
    })
});

/// The metrics of calls to `model` that `upstream` answers.
pub(super) fn calls(model: &str, upstream: &str) -> Arc<CallSeries> {
    CALLS.get(model, upstream, 0)
}

static SETTLED: LazyLock<Table<Histogram>> = LazyLock::new(|| {
    Table::new(MOST, |model, upstream, status| {
        let labels = [("model", model.to_owned()), ("upstream", upstream.to_owned()), ("status", status.to_string())];
        histogram!("kubemate_call_duration_microseconds", &labels)
    })
});

static TOKENS: LazyLock<Table<[Counter; 2]>> = LazyLock::new(|| {
    Table::new(MOST, |model, _, _| {
        ["prompt", "completion"]
            .map(|kind| counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => kind))
    })
});

/// A call to a model ended, its stream included.
pub(super) fn settled(model: &str, upstream: &str, status: u16, spent: Duration, tokens: [u64; 2]) {
    SETTLED.get(model, upstream, status).record(micros(spent));
    for (counter, tokens) in TOKENS.get(model, "", 0).iter().zip(tokens) {
        counter.increment(tokens);
    }
}

static QUEUED: LazyLock<Table<(Gauge, Histogram)>> = LazyLock::new(|| {
    Table::new(MOST, |model, _, _| {
        let labels = [("model", model.to_owned())];
        (gauge!("kubemate_queue_waiting", &labels), histogram!("kubemate_queue_wait_microseconds", &labels))
    })
});

/// Counts a request as waiting until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    series: Arc<(Gauge, Histogram)>,
    since: Instant,
}

impl Waiting {
    /// A request joins the line before `model`.
    pub(crate) fn join(model: &str) -> Self {
        let series = QUEUED.get(model, "", 0);
        series.0.increment(1.0);
        Self { series, since: Instant::now() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.series.0.decrement(1.0);
        self.series.1.record(micros(self.since.elapsed()));
    }
}

pub(super) fn micros(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e6
}
