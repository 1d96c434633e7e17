//! What every kind of load shares: whom to ask, what to ask, and how latencies are told.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    Outcome,
    process::{self, Cost},
};

/// Whom to ask, and whose cost to read.
#[derive(Clone, Debug, Args)]
pub(crate) struct Goal {
    /// Address of what is measured.
    #[arg(long)]
    address: SocketAddr,
    /// Key to send.
    #[arg(long, default_value = "none")]
    key: String,
    /// Model to ask for.
    #[arg(long, default_value = "mock")]
    model: String,
    /// Process whose processor time and memory are read, with all its children.
    #[arg(long)]
    pid: Option<u32>,
}

/// A system prompt and a question of the length that programs send.
const SYSTEM: &str = "You are the assistant of a maintenance team. Answer from the manual, in at most five sentences, and name \
                      the page. When the manual does not say, say so. Never guess at pressures, temperatures or intervals.";
const QUESTION: &str =
    "After how many operating hours is the bearing set of the feed pump replaced, and what do I do first?";

/// A stream to ask for.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Shape {
    /// Frames of each stream.
    #[arg(long, default_value_t = 16)]
    pub(crate) frames: usize,
    /// Microseconds between two frames; 0 writes them as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    pub(crate) gap_us: u64,
}

impl Goal {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A chat request, as bytes; with `shape` it asks for a stream.
    pub(crate) fn request(&self, shape: Option<Shape>) -> Vec<u8> {
        let Self { key, model, address, .. } = self;
        let (stream, plan) = match shape {
            Some(Shape { frames, gap_us }) => (
                ",\"stream\":true,\"stream_options\":{\"include_usage\":true}",
                format!(" [frames={frames} gap_us={gap_us}]"),
            ),
            None => ("", String::new()),
        };
        let body = format!(
            r#"{{"model":"{model}","messages":[{{"role":"system","content":"{SYSTEM}"}},{{"role":"user","content":"{QUESTION}{plan}"}}],"temperature":0.2,"max_tokens":256{stream}}}"#
        );
        let length = body.len();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nuser-agent: gateway-rig\r\naccept: application/json\r\n\
             authorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// What the measured process has cost so far; zeros without one.
    pub(crate) fn cost(&self) -> Outcome<Cost> {
        Ok(self.pid.map(process::cost).transpose()?.unwrap_or_default())
    }
}

/// Latencies in nanoseconds, from 1 µs to a minute, three digits exact.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// How they are told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?))
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        Percentiles { p50_us: at(0.5), p99_us: at(0.99), max_us: micros(self.0.max()) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a minute in nanoseconds is below 2^53")]
fn micros(nanos: u64) -> f64 {
    (nanos as f64 / 100.0).round() / 10.0
}

/// One line for whoever started this.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut latencies = Latencies::new().unwrap();
        for micros in 1..=1000 {
            latencies.add(Duration::from_micros(micros));
        }
        let Percentiles { p50_us, p99_us, max_us } = latencies.percentiles();
        assert!((p50_us - 500.0).abs() < 1.0 && (p99_us - 990.0).abs() < 1.0, "{p50_us} {p99_us}");
        assert!((max_us - 1000.0).abs() < 1.0 && latencies.count() == 1000);
    }

    #[test]
    fn a_request_is_whole_http_with_json_inside() {
        let goal = Goal { address: ([127, 0, 0, 1], 80).into(), key: "k".to_owned(), model: "m".to_owned(), pid: None };
        for shape in [None, Some(Shape { frames: 3, gap_us: 5 })] {
            let request = goal.request(shape);
            let head = crate::border::Head::read(&request).unwrap();
            let body = &request[head.length..];
            assert_eq!(head.body, crate::border::Extent::Length(body.len()));
            let read: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(read["stream"].as_bool(), shape.map(|_| true));
        }
    }
}
