//! Logs and metrics of the process. Histograms are in microseconds; prompts, answers and keys appear in neither.

mod logs;

use std::time::Duration;

use http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

pub(crate) use logs::start as start_logs;

/// Bucket borders in microseconds, about three a decade from 50 µs to 10 min: tight where the gateway adds, wide where models think.
const MICROSECONDS: [f64; 20] =
    [50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 3e7, 1e8, 6e8];

/// Installs the recorder that every room's `metrics` macros write to.
///
/// # Errors
/// When a recorder is installed already.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("microseconds".to_owned()), &MICROSECONDS)?
        .install_recorder()
}

/// One request answered: its head is on the way, a stream may follow.
pub(crate) fn request_answered(method: &Method, route: &str, status: StatusCode, spent: Duration) {
    let labels =
        [("method", method.as_str().to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    histogram!("kubemate_request_duration_microseconds", &labels).record(micros(spent));
}

/// The first token of an answer left, counted from the request.
pub(crate) fn first_token(model: &str, spent: Duration) {
    histogram!("kubemate_first_token_microseconds", "model" => model.to_owned()).record(micros(spent));
}

/// Tokens of one settled request.
pub(crate) fn tokens(model: &str, prompt: u64, completion: u64) {
    counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => "prompt").increment(prompt);
    counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => "completion").increment(completion);
}

fn micros(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e6
}

/// Counts a request as open until it is dropped with its response head.
#[derive(Clone, Debug)]
pub(crate) struct InFlight(#[expect(dead_code, reason = "held for its drop")] std::sync::Arc<Open>);

#[derive(Debug)]
struct Open;

impl InFlight {
    /// One more open request.
    pub(crate) fn enter() -> Self {
        gauge!("kubemate_requests_in_flight").increment(1.0);
        Self(std::sync::Arc::new(Open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("kubemate_requests_in_flight").decrement(1.0);
    }
}
