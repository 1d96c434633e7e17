//! What a benchmark reports, and how it is joined, kept and shown.

use std::{fmt, fs, path::Path, process::Command, thread};

use serde::{Deserialize, Serialize};

use crate::command;

/// One benchmark's document.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    name: String,
    rows: Vec<Row>,
}

/// One comparison, or one side of it.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    /// What was done; the peer's row for the same says the same.
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<f64>,
    /// The unit of both: something a second, or a time.
    unit: String,
    /// How many times better ours is: above 1 is better, whichever way the unit points.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    threads: usize,
    rustc: String,
    commit: String,
}

impl Report {
    /// # Errors
    /// When `printed` is not such a document and nothing else.
    pub(crate) fn read(printed: &str) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(printed)?)
    }

    /// Takes the peer's numbers in; rows that only one side has stay without a ratio.
    pub(crate) fn join(&mut self, peer: Self) {
        for row in peer.rows {
            let same = self.rows.iter_mut().find(|ours| ours.what == row.what && ours.unit == row.unit);
            match same {
                Some(ours) => ours.peer = row.peer,
                None => self.rows.push(row),
            }
        }
        for row in &mut self.rows {
            row.ratio = row.ratio.or_else(|| ratio(row.ours?, row.peer?, &row.unit));
        }
    }

    /// The document with the machine it was measured on, as a file.
    pub(crate) fn with_machine(&self, root: &Path) -> anyhow::Result<String> {
        on_this_machine(self, root)
    }
}

/// `report`, an object, with the machine it was measured on, as a file.
pub(crate) fn on_this_machine(report: &impl Serialize, root: &Path) -> anyhow::Result<String> {
    let machine = Machine {
        processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        threads: thread::available_parallelism()?.get(),
        rustc: said(Command::new("rustc").arg("--version")),
        commit: said(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root)),
    };
    let mut document = serde_json::to_value(report)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("machine".to_owned(), serde_json::to_value(machine)?);
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// `texts/s` is better when larger, `ms` when smaller.
fn ratio(ours: f64, peer: f64, unit: &str) -> Option<f64> {
    let ratio = if unit.ends_with("/s") { ours / peer } else { peer / ours };
    ratio.is_finite().then(|| (ratio * 100.0).round() / 100.0)
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        for row in &self.rows {
            let (ours, peer, ratio) = (number(row.ours), number(row.peer), number(row.ratio));
            let Row { what, unit, .. } = row;
            writeln!(formatter, "      {what:width$}  ours {ours:>9}  peer {peer:>9}  {unit:<9} ratio {ratio}")?;
        }
        Ok(())
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(command: &mut Command) -> String {
    command::read(command).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Report {
        let ours = r#"{"name": "x", "rows": [{"what": "read", "ours": 60.0, "unit": "texts/s"},
            {"what": "wait", "ours": 4.0, "unit": "ms"}, {"what": "alone", "ours": 1.0, "unit": "ms"}]}"#;
        let peer = r#"{"name": "y", "rows": [{"what": "read", "peer": 50.0, "unit": "texts/s"},
            {"what": "wait", "peer": 10.0, "unit": "ms"}, {"what": "theirs", "peer": 1.0, "unit": "ms"}]}"#;
        let mut report = Report::read(ours).unwrap();
        report.join(Report::read(peer).unwrap());
        report
    }

    #[test]
    fn rows_are_joined_and_above_one_is_better_for_speeds_and_times() {
        let ratios: Vec<_> = joined().rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [Some(1.2), Some(2.5), None, None]);
    }

    #[test]
    fn a_report_is_shown_and_kept_with_its_machine() {
        let report = joined();
        assert!(
            report.to_string().contains("read    ours     60.00  peer     50.00  texts/s   ratio 1.20"),
            "{report}"
        );
        let kept: serde_json::Value = serde_json::from_str(&report.with_machine(Path::new(".")).unwrap()).unwrap();
        assert_eq!(kept["rows"][1]["ratio"], 2.5);
        assert!(kept["rows"][2].get("peer").is_none());
        assert!(kept["machine"]["threads"].as_u64().unwrap() > 0);
    }

    #[test]
    fn words_around_the_document_are_refused() {
        assert!(Report::read("measuring…\n{\"name\": \"x\", \"rows\": []}").is_err());
    }
}
