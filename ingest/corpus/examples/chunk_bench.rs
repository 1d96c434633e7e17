//! How fast files become passages: parsed, and cut with the tokenizer of multilingual-e5-small.
//!
//! `cargo run --release -p kubemate-corpus --example chunk_bench -- FILE…` prints one JSON document,
//! `{"name", "rows": [{"what", "ours", "unit"}]}`: for each file megabytes a second and, where it has pages, pages a
//! second, each the best of several runs. `parse_bench` in kubemate-parse measures the parsing alone;
//! `tests/bench/chunk_peer.py` prints the same rows for pypdf with langchain's splitter. The weights lie in `models` under
//! `$KUBEMATE_CACHE`, or else under `~/.cache/kubemate`.

use std::env;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kubemate_corpus::{ChunkConfig, Chunking, ChunkingStrategy, Sight, chunk};
use kubemate_engine::{Embedder, LocalConfig, open_embedder};
use kubemate_parse::{Hint, Limits, parse};
use serde::Serialize;

/// Each file is read again until this much time has gone, so that the best run is not a matter of luck.
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
    let cache = env::var_os("KUBEMATE_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache/kubemate")).join("models");
    let embedder = open_embedder("multilingual-e5-small", &cache, &LocalConfig::default())?;
    let mut rows = Vec::new();
    for path in env::args().skip(1) {
        rows.extend(measure(&path, &*embedder)?);
    }
    let report = Report { name: "chunk", rows };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn measure(path: &str, embedder: &dyn Embedder) -> Result<Vec<Row>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let filename = path.rsplit('/').next().unwrap_or(path);
    let hint = Hint { filename, media_type: None };
    let (counter, sight) = (embedder.tokenizer(), Sight::of(embedder.identity()));
    let chunking = Chunking { config: ChunkConfig::default(), strategy: ChunkingStrategy::Auto };
    let (mut both, mut cutting, mut pages, mut passages) = (Duration::MAX, Duration::MAX, None, 0);
    let begun = Instant::now();
    while begun.elapsed() < ENOUGH {
        let start = Instant::now();
        let document = parse(&bytes, &hint, &Limits::default())?;
        let parsed = Instant::now();
        passages = chunk(&document, &*counter, sight, &chunking).len();
        (both, cutting) = (both.min(start.elapsed()), cutting.min(parsed.elapsed()));
        pages = document.pages;
    }
    let per_second = |amount: f64, time: Duration| (amount / time.as_secs_f64() * 100.0).round() / 100.0;
    let row = |what: &str, ours, unit| Row { what: format!("{what} {filename}"), ours, unit };
    let mut rows = vec![row("parse + split", per_second(bytes.len() as f64 / 1e6, both), "MB/s")];
    rows.extend(pages.map(|pages| row("parse + split", per_second(f64::from(pages), both), "pages/s")));
    rows.push(row("split", per_second(passages as f64, cutting), "passages/s"));
    Ok(rows)
}
