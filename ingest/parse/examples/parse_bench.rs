//! How fast files are parsed.
//!
//! `cargo run --release -p kubemate-parse --example parse_bench -- FILE…` prints one JSON document,
//! `{"name", "rows": [{"what", "ours", "unit"}]}`: for each file megabytes a second and, where it has pages, pages a
//! second, each the best of several runs. `tests/bench/parse_peer.py` prints the same rows for pypdf.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use kubemate_parse::{Hint, Limits, parse};
use serde::Serialize;

/// Each file is parsed again until this much time has gone, so that the best run is not a matter of luck.
const ENOUGH: Duration = Duration::from_millis(1500);

#[derive(Serialize)]
struct Row {
    what: String,
    ours: f64,
    unit: &'static str,
}

#[derive(Serialize)]
struct Report {
    name: &'static str,
    rows: Vec<Row>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for path in std::env::args().skip(1) {
        rows.extend(measure(&path)?);
    }
    let report = Report { name: "parse", rows };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn measure(path: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let filename = path.rsplit('/').next().unwrap_or(path);
    let hint = Hint { filename, media_type: None };
    let (mut best, mut pages) = (Duration::MAX, None);
    let begun = Instant::now();
    while begun.elapsed() < ENOUGH {
        let start = Instant::now();
        pages = parse(&bytes, &hint, &Limits::default())?.pages;
        best = best.min(start.elapsed());
    }
    let per_second = |amount: f64| (amount / best.as_secs_f64() * 100.0).round() / 100.0;
    let row = |ours, unit| Row { what: format!("parse {filename}"), ours, unit };
    let mut rows = vec![row(per_second(bytes.len() as f64 / 1e6), "MB/s")];
    rows.extend(pages.map(|pages| row(per_second(f64::from(pages)), "pages/s")));
    Ok(rows)
}
