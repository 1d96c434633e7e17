//! What it costs to observe one request: `cargo run --release -p kubemate-gateway --example observation`.
//!
//! Both arms record what the gateway records of a chat call: request duration, first token, prompt and completion
//! tokens, requests in flight. The first looks each metric up by name and labels, with the exporter's own histograms and a
//! span around it; the second is the gateway's own telemetry, from the same source files. Arms take turns; medians of
//! the rounds are printed, and what a million requests leave in memory when nobody scrapes.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for the terminal")]

#[path = "../src/telemetry/buckets.rs"]
mod buckets;
#[path = "../src/telemetry/recorder.rs"]
#[expect(dead_code, reason = "a measurement installs no recorder for the process")]
mod recorder;
#[path = "../src/telemetry/table.rs"]
mod table;

use std::{hint::black_box, io::sink};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use table::Table;
use tracing::info_span;

/// Requests of one round.
const REQUESTS: u32 = 200_000;
/// Rounds of each arm.
const ROUNDS: usize = 7;
/// A model that is asked for.
const MODEL: &str = "qwen2.5-7b-instruct";
/// The labels of a usual request.
const ROUTE: [&str; 3] = ["POST", "/v1/chat/completions", "200"];

fn by_name(model: &str) {
    gauge!("kubemate_requests_in_flight").increment(1.0);
    let [method, route, status] = black_box(ROUTE).map(str::to_owned);
    let labels = [("method", method), ("route", route), ("status", status)];
    histogram!("kubemate_request_duration_microseconds", &labels).record(black_box(420.0));
    histogram!("kubemate_first_token_microseconds", "model" => model.to_owned()).record(black_box(400.0));
    counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => "prompt").increment(12);
    counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => "completion").increment(34);
    gauge!("kubemate_requests_in_flight").decrement(1.0);
}

/// The tables of the gateway's own telemetry.
struct Kept {
    in_flight: Gauge,
    requests: Table<Histogram>,
    calls: Table<[Histogram; 1]>,
    tokens: Table<[Counter; 2]>,
}

impl Kept {
    fn new() -> Self {
        Self {
            in_flight: gauge!("kubemate_requests_in_flight"),
            requests: Table::new(2000, |route, method, status| {
                let labels =
                    [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
                histogram!("kubemate_request_duration_microseconds", &labels)
            }),
            calls: Table::new(2000, |model, upstream, _| {
                let labels = [("model", model.to_owned()), ("upstream", upstream.to_owned())];
                [histogram!("kubemate_first_token_microseconds", &labels)]
            }),
            tokens: Table::new(2000, |model, _, _| {
                ["prompt", "completion"]
                    .map(|kind| counter!("kubemate_tokens_total", "model" => model.to_owned(), "kind" => kind))
            }),
        }
    }

    fn observe(&self, model: &str) {
        self.in_flight.increment(1.0);
        let [method, route, _] = black_box(ROUTE);
        self.requests.get(route, method, 200).record(black_box(420.0));
        let [first] = &*self.calls.get(model, black_box("vllm"), 0);
        first.record(black_box(400.0));
        let [prompt, completion] = &*self.tokens.get(model, "", 0);
        prompt.increment(12);
        completion.increment(34);
        self.in_flight.decrement(1.0);
    }
}

/// Nanoseconds that this thread has computed: what else runs on the machine does not count.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap()
}

/// Nanoseconds a request.
fn round(request: impl Fn(&str)) -> f64 {
    let begun = processor_time();
    for _ in 0..REQUESTS {
        request(black_box(MODEL));
    }
    (processor_time() - begun) / f64::from(REQUESTS)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

/// Resident memory in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn main() {
    let (own, scrape) = recorder::Metrics::new();
    let exporter = PrometheusBuilder::new().set_buckets(&[50.0, 1e3, 1e5]).unwrap().build_recorder();
    let kept = with_local_recorder(&own, || {
        let kept = Kept::new();
        kept.observe(MODEL); // tables make their handles at the first use
        kept
    });
    let (mut named, mut spans, mut handles) = (Vec::new(), Vec::new(), Vec::new());
    let (mut grown, mut grown_kept) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let before = resident();
        named.push(with_local_recorder(&exporter, || round(by_name)));
        grown += resident() - before;
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_writer(sink).finish();
        let span = |id: &str| drop(info_span!("request", request.id = %id, http.method = "POST"));
        spans.push(tracing::subscriber::with_default(lines, || round(span)));
        let before = resident();
        handles.push(round(|model| kept.observe(model)));
        grown_kept += resident() - before;
    }
    let millions = f64::from(REQUESTS) * ROUNDS as f64 / 1e6;
    let [named, spans, handles] = [named, spans, handles].map(median);
    println!(
        "by name and labels: {named:5.0} ns a request, {:5.1} MiB a million when nobody scrapes",
        grown / millions
    );
    println!("a span of the log:  {spans:5.0} ns a request");
    println!(
        "kept handles:       {handles:5.0} ns a request, {:5.1} MiB a million when nobody scrapes",
        grown_kept / millions
    );
    assert!(scrape.render().contains("kubemate_request_duration_microseconds_count"));
}
