//! The only place that writes to the terminal.

use std::io::{self, Write, stderr, stdout};

use serde::Serialize;

/// Prints a line to standard output. A reader that went away (`| head`) is no failure.
pub(super) fn line(text: &str) {
    let _closed: io::Result<()> = writeln!(stdout(), "{text}");
}

/// Prints text to standard output at once, without ending the line.
pub(super) fn part(text: &str) {
    let mut out = stdout();
    let _closed: io::Result<()> = write!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a line to standard error: what is said beside the result.
pub(super) fn note(text: &str) {
    let _closed: io::Result<()> = writeln!(stderr(), "{text}");
}

/// Prints `value` as JSON.
///
/// # Errors
/// When it cannot be serialised.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints why a command failed.
pub(super) fn failure(error: &anyhow::Error, json: bool) {
    if json {
        note(&serde_json::json!({ "error": format!("{error:#}") }).to_string());
    } else {
        note(&format!("kubemate: {error:#}"));
    }
}

/// Prints rows under `head`, each column as wide as its widest cell.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
