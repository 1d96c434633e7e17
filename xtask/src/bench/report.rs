//! What a benchmark reports, and how it is kept and shown.

use std::{fmt, fs, path::Path, process::Command, thread};

use serde::{Deserialize, Serialize};

use crate::command;

/// One benchmark's document.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    name: String,
    rows: Vec<Row>,
}

/// One comparison.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    /// What was done, and with whom it is compared.
    what: String,
    ours: f64,
    peer: f64,
    /// The unit of both, e.g. `texts/s` or `ms`.
    unit: String,
    /// How many times better ours is: above 1 is better, whichever way the unit points.
    ratio: f64,
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

    /// The document with the machine it was measured on, as a file.
    pub(crate) fn with_machine(&self, root: &Path) -> anyhow::Result<String> {
        let machine = Machine {
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            threads: thread::available_parallelism()?.get(),
            rustc: said(Command::new("rustc").arg("--version")),
            commit: said(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root)),
        };
        let mut document = serde_json::to_value(self)?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("machine".to_owned(), serde_json::to_value(machine)?);
        }
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        for row in &self.rows {
            let Row { what, ours, peer, unit, ratio } = row;
            writeln!(formatter, "      {what:width$}  ours {ours:>9.2}  peer {peer:>9.2} {unit:<9}  ratio {ratio:.2}")?;
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

    const PRINTED: &str = r#"{"name": "embed", "rows": [
        {"what": "e5, batch 32", "ours": 60.0, "peer": 50.0, "unit": "texts/s", "ratio": 1.2}]}"#;

    #[test]
    fn a_report_is_shown_and_kept_with_its_machine() {
        let report = Report::read(PRINTED).unwrap();
        assert!(report.to_string().contains("e5, batch 32  ours     60.00  peer     50.00 texts/s"), "{report}");
        let kept: serde_json::Value = serde_json::from_str(&report.with_machine(Path::new(".")).unwrap()).unwrap();
        assert_eq!(kept["rows"][0]["ratio"], 1.2);
        assert!(kept["machine"]["threads"].as_u64().unwrap() > 0);
    }

    #[test]
    fn words_around_the_document_are_refused() {
        assert!(Report::read(&format!("measuring…\n{PRINTED}")).is_err());
    }
}
