//! A histogram of fixed size: observing costs a search of the borders and two atomic additions, and a process that
//! nobody scrapes holds no more than one that is scraped.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use metrics::HistogramFn;

/// Sums are kept in thousandths: whole numbers add atomically, and no duration is measured finer than that.
const PARTS: f64 = 1e3;

/// How often a value fell between two borders.
#[derive(Debug)]
pub(crate) struct Buckets {
    borders: &'static [f64],
    /// One for each border, and one for what lies beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Buckets {
    /// Nothing observed yet. `borders` ascend; each belongs to the bucket below it.
    pub(crate) fn new(borders: &'static [f64]) -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(borders.len() + 1).collect();
        Self { borders, counts, sum: AtomicU64::default() }
    }

    /// Writes the series of this histogram in Prometheus' text format; `labels` as `a="b",c="d"`, or empty.
    pub(crate) fn render(&self, name: &str, labels: &str, out: &mut String) {
        let (start, whole) = match labels {
            "" => (String::new(), String::new()),
            labels => (format!("{labels},"), format!("{{{labels}}}")),
        };
        let mut total = 0;
        for (count, border) in self.counts.iter().zip(self.borders.iter().map(Some).chain([None])) {
            total += count.load(Ordering::Relaxed);
            let border = border.map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _text_takes_all = writeln!(out, "{name}_bucket{{{start}le=\"{border}\"}} {total}");
        }
        let sum = self.sum.load(Ordering::Relaxed) as f64 / PARTS;
        let _text_takes_all = writeln!(out, "{name}_sum{whole} {sum}\n{name}_count{whole} {total}");
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let at = self.borders.partition_point(|border| value > *border);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add((value * PARTS) as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_whose_border_they_do_not_pass() {
        let buckets = Buckets::new(&[10.0, 20.0]);
        for value in [0.5, 10.0, 10.5, 20.0, 21.0, 1e9] {
            buckets.record(value);
        }
        let mut text = String::new();
        buckets.render("t", "a=\"b\"", &mut text);
        let expected = "t_bucket{a=\"b\",le=\"10\"} 2\nt_bucket{a=\"b\",le=\"20\"} 4\nt_bucket{a=\"b\",le=\"+Inf\"} 6\n\
                        t_sum{a=\"b\"} 1000000062\nt_count{a=\"b\"} 6\n";
        assert_eq!(text, expected);
        text.clear();
        Buckets::new(&[1.0]).render("n", "", &mut text);
        assert_eq!(text, "n_bucket{le=\"1\"} 0\nn_bucket{le=\"+Inf\"} 0\nn_sum 0\nn_count 0\n");
    }
}
