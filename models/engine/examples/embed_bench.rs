//! Speed of the local embedders: one JSON document `{name, rows: [{what, ours, unit}]}`.
//!
//! `tests/bench/embed_peer.py` measures the same rows with other engines on the same weights and the same texts. Usage:
//! `cargo run --release -p kubemate-engine --example embed_bench -- ENGLISH.html CHINESE.html`. The weights lie in `models`
//! under `$KUBEMATE_CACHE`, or else under `~/.cache/kubemate`.

use std::{env, error::Error, fs, io, path::PathBuf, time::Instant};

use futures::future::try_join_all;
use kubemate_engine::{EmbedRequest, Embedder, EngineError, LocalConfig, Priority, Purpose, open_embedder};
use serde_json::{Value, json};

/// Common words, each one token in both vocabularies.
const WORDS: &str =
    "the time people government school company water music history house city world question family money story";
/// Texts of a run, and how many go into one request.
const TEXTS: usize = 64;
const REQUEST: usize = 32;
/// Each number is the best of so many runs: on a machine with other work the best run is the least disturbed.
const RUNS: usize = 3;
/// As many threads as the peers are given.
const THREADS: usize = 2;

/// A model and the engines that its rows are compared with.
const MODELS: [(&str, &[&str]); 2] = [
    ("all-MiniLM-L6-v2", &["onnxruntime", "sentence-transformers"]),
    ("multilingual-e5-small", &["onnxruntime", "onnxruntime in 4 bits"]),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::var_os("KUBEMATE_CACHE").map(PathBuf::from);
    let home = || env::home_dir().unwrap_or_default().join(".cache/kubemate");
    let cache = folder.unwrap_or_else(home).join("models");
    let books: Vec<Vec<String>> = env::args().skip(1).map(|page| paragraphs(&page)).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for (model, peers) in MODELS {
        let config = LocalConfig { threads: Some(THREADS), ..LocalConfig::default() };
        let began = Instant::now();
        let embedder = open_embedder(model, &cache, &config)?;
        rows.push(json!({ "what": format!("{model}, load"), "ours": rounded(began.elapsed().as_secs_f64() * 1e3), "unit": "ms" }));
        // The one model reads English only, the other gets half of its paragraphs in Chinese.
        let languages = if model == "all-MiniLM-L6-v2" { 1 } else { 2 };
        let book = books.iter().take(languages).flat_map(|book| book.iter().take(TEXTS / languages).cloned()).collect();
        let made =
            [("126 words", equal(126)), ("18 words", equal(18)), ("6 to 252 words", mixed()), ("paragraphs", book)];
        for (lengths, texts) in made {
            let speed = best(&*embedder, &texts).await?;
            rows.extend(peers.iter().map(|peer| row(model, lengths, peer, speed)));
        }
    }
    let document = json!({ "name": "embed", "rows": rows });
    io::Write::write_all(&mut io::stdout(), format!("{document:#}\n").as_bytes())?;
    Ok(())
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn row(model: &str, lengths: &str, peer: &str, speed: f64) -> Value {
    json!({ "what": format!("{model}, {lengths}, beside {peer}"), "ours": rounded(speed), "unit": "texts/s" })
}

fn text(words: usize, start: usize) -> String {
    let all: Vec<&str> = WORDS.split(' ').collect();
    let words = (0..words).filter_map(|index| all.get((start * 7 + index * 5) % all.len()).copied());
    words.collect::<Vec<_>>().join(" ")
}

fn equal(words: usize) -> Vec<String> {
    (0..TEXTS).map(|start| text(words, start)).collect()
}

/// Lengths as a document has them: from a heading to a long paragraph, in no order.
fn mixed() -> Vec<String> {
    (0..TEXTS).map(|start| text(6 + start * 101 % 247, start)).collect()
}

/// The first paragraphs of a page, tags left out.
fn paragraphs(page: &str) -> io::Result<Vec<String>> {
    let page = fs::read_to_string(page)?;
    let parts = page.split("<p>").skip(1).filter_map(|part| part.split("</p>").next());
    let texts = parts.map(|part| {
        let pieces = part.split('<').enumerate();
        let outside =
            pieces.filter_map(|(index, piece)| if index == 0 { Some(piece) } else { Some(piece.split_once('>')?.1) });
        outside.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    });
    Ok(texts.filter(|text| !text.is_empty()).take(TEXTS).collect())
}

/// Texts a second.
async fn best(embedder: &dyn Embedder, texts: &[String]) -> Result<f64, EngineError> {
    let mut best = 0.0_f64;
    for _ in 0..RUNS {
        let requests = texts.chunks(REQUEST).map(|texts| {
            let texts = texts.iter().map(|text| text.as_str().into()).collect();
            embedder.embed(EmbedRequest { texts, purpose: Purpose::Query, priority: Priority::Bulk })
        });
        let began = Instant::now();
        try_join_all(requests).await?;
        best = best.max(texts.len() as f64 / began.elapsed().as_secs_f64());
    }
    Ok(best)
}
