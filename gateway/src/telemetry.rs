//! Logs, metrics and traces of the process. Histograms are in microseconds; prompts, answers and keys appear in none of
//! them.

mod attempt;
mod buckets;
mod call;
mod logs;
mod recorder;
mod request;
mod series;
mod table;

pub(crate) use attempt::Attempt;
pub(crate) use call::{Call, Chosen};
pub(crate) use logs::start as start_logs;
pub(crate) use recorder::Scrape;
pub(crate) use request::{REQUEST_ID, Request};

pub(crate) use table::Table;

use recorder::Metrics;

/// Installs the recorder that every room's `metrics` macros write to.
///
/// # Errors
/// When a recorder is installed already.
pub(crate) fn start_metrics() -> anyhow::Result<Scrape> {
    let (metrics, scrape) = Metrics::new();
    metrics.install().map_err(|_| anyhow::anyhow!("a metrics recorder is installed already"))?;
    Ok(scrape)
}
