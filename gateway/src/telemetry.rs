//! Logs, metrics and traces of the process. Histograms are in microseconds; prompts, answers and keys appear in none of
//! them.

mod attempt;
mod buckets;
mod call;
mod logs;
mod otlp;
mod recorder;
mod request;
mod request_log;
mod series;
mod table;
mod trace;

use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use attempt::{Attempt, Retrieval, propagate};
pub(crate) use call::{Call, Chosen};
pub(crate) use logs::start as start_logs;
pub(crate) use recorder::Scrape;
pub(crate) use request::{REQUEST_ID, Request};
pub(crate) use request_log::Requests;
pub(crate) use series::Waiting;
pub(crate) use table::Table;

use otlp::OtlpConfig;
use recorder::Metrics;
use request_log::RequestLog;

/// What is reported to other machines.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryConfig {
    pub(crate) otlp: OtlpConfig,
}

/// Where requests report to.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry(Arc<Sinks>);

#[derive(Debug)]
struct Sinks {
    log: RequestLog,
    tracer: Option<SdkTracer>,
    closing: CancellationToken,
}

impl Telemetry {
    /// Starts the writers; they end after [`Telemetry::close`], when everything is written.
    ///
    /// # Errors
    /// When a header for the collector cannot be read or sent.
    pub(crate) fn start(config: &TelemetryConfig, requests: Requests, tasks: &TaskTracker) -> anyhow::Result<Self> {
        let closing = CancellationToken::new();
        let log = RequestLog::start(requests, tasks, closing.clone());
        let tracer = otlp::start(&config.otlp, tasks, &closing)?;
        Ok(Self(Arc::new(Sinks { log, tracer, closing })))
    }

    /// Takes no more lines and spans; those that wait are still sent.
    pub(crate) fn close(&self) {
        self.0.closing.cancel();
    }

    fn log(&self) -> &RequestLog {
        &self.0.log
    }

    fn tracer(&self) -> Option<&SdkTracer> {
        self.0.tracer.as_ref()
    }
}

/// Installs the recorder that every room's `metrics` macros write to.
///
/// # Errors
/// When a recorder is installed already.
pub(crate) fn start_metrics() -> anyhow::Result<Scrape> {
    let (metrics, scrape) = Metrics::new();
    metrics.install().map_err(|_| anyhow::anyhow!("a metrics recorder is installed already"))?;
    Ok(scrape)
}
