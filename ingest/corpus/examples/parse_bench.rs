//! How fast files become a document, and a document passages.
//!
//! `cargo xtask bench parse` runs this on the books of `tests/bench/parse_files.txt`, then `tests/bench/parse_peer.py`
//! on the same. `cargo run --release -p kubemate-corpus --example parse_bench -- FILE…` prints one JSON document,
//! `{"name", "rows": [{"what", "ours", "unit"}]}`, of the best of several runs. Passages are measured in tokens of
//! all-MiniLM-L6-v2, whose tokenizer both sides can read; its weights lie in `models` under `$KUBEMATE_CACHE`, or else under
//! `~/.cache/kubemate`.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kubemate_corpus::{ChunkConfig, Chunking, ChunkingStrategy, Sight, chunk};
use kubemate_engine::{Embedder, LocalConfig, open_embedder};
use kubemate_parse::{Hint, Limits, parse};
use serde::Serialize;

/// Each file is read again until this much time has gone, so that the best run is not a matter of luck.
const ENOUGH: Duration = Duration::from_secs(3);

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
    let embedder = open_embedder("all-MiniLM-L6-v2", &cache, &LocalConfig::default())?;
    let mut rows = Vec::new();
    for path in env::args().skip(1) {
        rows.extend(measure(&path, &*embedder)?);
    }
    let report = Report { name: "parse", rows };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn measure(path: &str, embedder: &dyn Embedder) -> Result<Vec<Row>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let filename = path.rsplit('/').next().unwrap_or(path);
    let hint = Hint { filename, media_type: None };
    let (counter, sight) = (embedder.tokenizer(), Sight::of(embedder.identity()));
    let chunking = Chunking { config: ChunkConfig::default(), strategy: ChunkingStrategy::Auto };
    let (mut parsing, mut cutting, mut both) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let (mut pages, mut length) = (None, 0);
    let begun = Instant::now();
    while begun.elapsed() < ENOUGH {
        let start = Instant::now();
        let document = parse(&bytes, &hint, &Limits::default())?;
        let parsed = Instant::now();
        black_box(chunk(&document, &*counter, sight, &chunking));
        (both, cutting) = (both.min(start.elapsed()), cutting.min(parsed.elapsed()));
        parsing = parsing.min(parsed - start);
        (pages, length) = (document.pages, document.text.len());
    }
    let row = |what: &str, amount: f64, time: Duration, unit| {
        let ours = (amount / time.as_secs_f64() * 100.0).round() / 100.0;
        Row { what: format!("{what} {filename}"), ours, unit }
    };
    let (size, pages) = (bytes.len() as f64 / 1e6, pages.map(f64::from));
    let mut rows = vec![row("parse", size, parsing, "MB/s"), row("parse + split", size, both, "MB/s")];
    for (what, time) in [("parse", parsing), ("parse + split", both)] {
        rows.extend(pages.map(|pages| row(what, pages, time, "pages/s")));
    }
    rows.push(row("split", length as f64 / 1e6, cutting, "MB of text/s"));
    Ok(rows)
}
