//! What is printed and kept: a row for each thing measured, a column for each server.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    figures::{Figures, Row},
    peers::Kind,
    probes::{FIRST_P50, FIRST_P99, FRAME_P50},
    targets::{self, Target},
};

/// The whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: &'static str,
    rows: Vec<Line>,
    targets: Vec<Target>,
    #[serde(skip)]
    columns: Vec<Kind>,
}

/// One row as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    unit: &'static str,
    /// Medians over the rounds.
    medians: BTreeMap<&'static str, f64>,
    /// How many times better Kubemate is; above 1 is better, whichever way the unit points.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_nginx: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times_litellm: Option<f64>,
}

impl Report {
    pub(super) fn new(figures: &Figures, kinds: &[Kind]) -> Self {
        let mut rows: Vec<Line> = figures.rows().iter().map(|row| line(row, kinds)).collect();
        for what in [FIRST_P50, FIRST_P99, FRAME_P50] {
            let at = rows.iter().position(|row| row.what == what);
            if let Some(at) = at.filter(|_| kinds.contains(&Kind::Direct)) {
                rows.insert(at + 1, added(figures, what, kinds));
            }
        }
        Self { name: super::NAME, rows, targets: targets::judged(figures), columns: kinds.to_vec() }
    }
}

fn line(row: &Row, kinds: &[Kind]) -> Line {
    let median = |kind: &Kind| Some((kind.name(), round(row.median(*kind)?)));
    Line {
        what: row.what.clone(),
        unit: row.unit,
        medians: kinds.iter().filter_map(median).collect(),
        times_nginx: row.times(Kind::Kubemate, Kind::Nginx).map(round),
        times_litellm: row.times(Kind::Kubemate, Kind::LiteLlm).map(round),
    }
}

/// What each gateway adds to a row, round by round.
fn added(figures: &Figures, what: &str, kinds: &[Kind]) -> Line {
    let of = |kind: &Kind| Some((kind.name(), round(figures.added(what, *kind)?)));
    let medians: BTreeMap<_, _> = kinds.iter().filter(|kind| **kind != Kind::Direct).filter_map(of).collect();
    let times = |other: Kind| {
        let times = medians.get(other.name())? / medians.get(Kind::Kubemate.name())?;
        (times.is_finite() && times > 0.0).then(|| round(times))
    };
    let (times_nginx, times_litellm) = (times(Kind::Nginx), times(Kind::LiteLlm));
    Line { what: format!("{what}, added"), unit: "µs", medians, times_nginx, times_litellm }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// As many digits as say something.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        write!(out, "      {:width$} {:9}", "", "")?;
        for kind in &self.columns {
            write!(out, " {:>11}", kind.name())?;
        }
        writeln!(out, " {:>9} {:>9}", "x nginx", "x litellm")?;
        for row in &self.rows {
            write!(out, "      {:width$} {:9}", row.what, row.unit)?;
            for kind in &self.columns {
                write!(out, " {:>11}", shown(row.medians.get(kind.name())))?;
            }
            writeln!(out, " {:>9} {:>9}", shown(row.times_nginx.as_ref()), shown(row.times_litellm.as_ref()))?;
        }
        for Target { what, measured, holds } in &self.targets {
            writeln!(out, "      {} {what}: {measured}", if *holds { "holds " } else { "MISSED" })?;
        }
        Ok(())
    }
}

fn shown(value: Option<&f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| digits(*value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::figures::Figure;

    fn report() -> Report {
        let mut figures = Figures::default();
        for (kind, rps, first) in [(Kind::Direct, 40_000.0, 50.0), (Kind::Nginx, 20_000.0, 150.0)] {
            figures.add(kind, vec![Figure::new("requests", "req/s", rps), Figure::new(FIRST_P99, "µs", first)]);
        }
        figures
            .add(Kind::Kubemate, vec![Figure::new("requests", "req/s", 18_000.0), Figure::new(FIRST_P99, "µs", 250.0)]);
        Report::new(&figures, &[Kind::Direct, Kind::Nginx, Kind::Kubemate])
    }

    #[test]
    fn what_is_printed_is_what_is_kept() {
        let kept = serde_json::to_value(report()).unwrap();
        assert_eq!(kept["rows"][0]["medians"]["kubemate"], 18_000.0);
        assert_eq!(kept["rows"][0]["times_nginx"], 0.9);
        assert_eq!(kept["rows"][2]["what"], format!("{FIRST_P99}, added"));
        assert_eq!(kept["rows"][2]["medians"], serde_json::json!({"nginx": 100.0, "kubemate": 200.0}));
        assert_eq!(kept["targets"][0]["holds"], true);
        let shown = report().to_string();
        assert!(shown.contains("18000") && shown.contains("holds  added first-token p99"), "{shown}");
    }

    #[test]
    fn digits_are_as_many_as_say_something() {
        assert_eq!([0.123, 12.34, 1234.5].map(digits), ["0.12", "12.3", "1234"]);
    }
}
