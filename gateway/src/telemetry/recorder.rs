//! Where every room's `metrics` macros write to: the Prometheus recorder, with our own histograms in it. The crate's
//! keep each single sample until somebody scrapes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{Arc, PoisonError, RwLock},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SetRecorderError, SharedString, Unit,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::buckets::Buckets;

/// Borders in microseconds, about three a decade from 50 µs to 10 min: tight where servers answer, wide where models
/// think.
const MICROSECONDS: [f64; 20] =
    [50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 3e7, 1e8, 6e8];

/// Borders in microseconds for what the gateway adds itself, finest around its goal of 60 µs beside nginx.
const ADDED: [f64; 18] =
    [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6];

/// Borders for counts, such as the tokens of a batch: powers of two up to a long context.
const COUNTS: [f64; 18] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0,
    65536.0, 131_072.0,
];

fn borders(name: &str) -> &'static [f64] {
    match name {
        name if name.ends_with("_added_microseconds") => &ADDED,
        name if name.ends_with("_microseconds") || name.ends_with("_us") => &MICROSECONDS,
        _ => &COUNTS,
    }
}

/// All histograms of the process.
type Histograms = RwLock<HashMap<Key, Arc<Buckets>>>;

/// The recorder of the process.
pub(crate) struct Metrics {
    others: PrometheusRecorder,
    histograms: Arc<Histograms>,
}

/// What a scrape reads.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    others: PrometheusHandle,
    histograms: Arc<Histograms>,
}

impl Metrics {
    /// A recorder that nothing writes to yet, and its reader.
    pub(crate) fn new() -> (Self, Scrape) {
        let others = PrometheusBuilder::new().build_recorder();
        let histograms = Arc::<Histograms>::default();
        let scrape = Scrape { others: others.handle(), histograms: histograms.clone() };
        (Self { others, histograms }, scrape)
    }

    /// Makes it the recorder of the process.
    ///
    /// # Errors
    /// When there is one already.
    pub(crate) fn install(self) -> Result<(), SetRecorderError<Self>> {
        metrics::set_global_recorder(self)
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.others.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.others.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.others.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.others.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.others.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if let Some(known) = self.histograms.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return known.clone().into();
        }
        let mut table = self.histograms.write().unwrap_or_else(PoisonError::into_inner);
        table.entry(key.clone()).or_insert_with(|| Arc::new(Buckets::new(borders(key.name())))).clone().into()
    }
}

impl Scrape {
    /// Everything in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut text = self.others.render();
        let mut sorted: BTreeMap<String, BTreeMap<String, Arc<Buckets>>> = BTreeMap::new();
        for (key, buckets) in self.histograms.read().unwrap_or_else(PoisonError::into_inner).iter() {
            sorted.entry(key.name().to_owned()).or_default().insert(labels(key.labels()), buckets.clone());
        }
        for (name, series) in sorted {
            let _text_takes_all = writeln!(text, "# TYPE {name} histogram");
            series.iter().for_each(|(labels, buckets)| buckets.render(&name, labels, &mut text));
            text.push('\n');
        }
        text
    }
}

/// `a="b",c="d"`, with what the format sets apart escaped.
fn labels<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let escaped = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    labels.map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value()))).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram};

    use super::*;

    #[test]
    fn every_kind_of_metric_is_scraped_and_labels_are_escaped() {
        let (recorder, scrape) = Metrics::new();
        metrics::with_local_recorder(&recorder, || {
            counter!("t_total", "k" => "v").increment(2);
            for micros in [15.0, 55.0] {
                histogram!("t_added_microseconds", "model" => "a\"b\\c").record(micros);
            }
            histogram!("t_tokens").record(3.0);
        });
        let text = scrape.render();
        for line in [
            "t_total{k=\"v\"} 2",
            "# TYPE t_added_microseconds histogram",
            "t_added_microseconds_bucket{model=\"a\\\"b\\\\c\",le=\"20\"} 1",
            "t_added_microseconds_bucket{model=\"a\\\"b\\\\c\",le=\"60\"} 2",
            "t_added_microseconds_sum{model=\"a\\\"b\\\\c\"} 70",
            "t_tokens_bucket{le=\"4\"} 1",
            "t_tokens_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
