//! Measures what search finds, and fits the relevance gate to an embedder, on the sections of Debian's books in Chinese and
//! English.
//!
//! `cargo run --release -p kubemate-corpus --example calibrate -- quality EMBEDDER [PACKAGE…]` makes each section of a book a
//! document without its heading and asks for it by the heading, through the product's own ingest and search: nDCG, recall
//! and mean reciprocal rank of BM25 alone, of the vectors alone, and of both (ADR 0033).
//!
//! `… -- gate EMBEDDER` leaves every other section out, fits the coefficients of
//! [`Calibration`](kubemate_corpus::relevance::Calibration) on one half of the questions, and prints for the other half how
//! many questions with and without an answer pass the gate (ADR 0032).
//!
//! The books are Debian packages, kept in `bench` under `$KUBEMATE_CACHE`, or else under `~/.cache/kubemate`; missing ones are
//! fetched with `apt-get download`. The weights of the embedders lie in `models` there.

mod facts;
mod fit;
mod gate;
mod house;
mod quality;
mod sets;

use std::error::Error;
use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let report = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["quality", embedder, ..] => quality::measure(embedder, words.get(2..).unwrap_or_default()).await?,
        ["gate", embedder] => gate::measure(embedder).await?,
        _ => return Err("usage: calibrate quality EMBEDDER [PACKAGE…] | calibrate gate EMBEDDER".into()),
    };
    writeln!(std::io::stdout(), "{report:#}")?;
    Ok(())
}
