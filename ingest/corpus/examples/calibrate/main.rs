//! Fits the relevance gate to an embedder, and measures what search finds, on labelled questions.
//!
//! `cargo run --release -p kubemate-corpus --example calibrate -- EMBEDDER ANSWERS… -- OTHERS…` indexes the files of
//! ANSWERS with the headings blanked out. Each heading is then a question whose answer is its own section; the headings of
//! OTHERS are questions without an answer. Both go through the product's own search. Printed are, for Chinese and English,
//! how often and how early the right section is found, the coefficients of
//! [`Calibration`](kubemate_corpus::relevance::Calibration), and how often the gate then errs. ADR 0031 names the files
//! its numbers come from.

mod fit;
mod house;
mod sections;

use std::error::Error;
use std::io::Write;

use kubemate_corpus::Language;
use kubemate_corpus::relevance::{Asked, RelevanceConfig};
use serde_json::{Value, json};

use fit::{Sample, fit};
use house::House;

/// Most questions of each kind, taken evenly from all: enough for two digits.
const MOST: usize = 400;
/// Hits looked at for the rank of the right section.
const HITS: usize = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (embedder, files) = words.split_first().ok_or("usage: calibrate EMBEDDER ANSWERS… -- OTHERS…")?;
    let border = files.iter().position(|word| word == "--").unwrap_or(files.len());
    let (answers, others) = files.split_at(border);
    let house = House::build(embedder, answers).await?;
    let mut tries = Vec::new();
    for question in even(&house.questions()) {
        tries.push(attempt(&house, &question.heading, Some(question)).await?);
    }
    for heading in even(&sections::headings(others)?) {
        tries.push(attempt(&house, heading, None).await?);
    }
    let samples: Vec<Sample> = tries.iter().filter_map(Try::sample).collect();
    let fitted = fit(&samples);
    let report = json!({
        "embedder": embedder,
        "passages": house.passages,
        "fitted": fitted,
        "chinese": rates(&tries, Language::Chinese, fitted),
        "english": rates(&tries, Language::English, fitted),
        "in use": rates_of(&tries.iter().collect::<Vec<_>>(), RelevanceConfig::default().calibration(embedder)),
    });
    writeln!(std::io::stdout(), "{report:#}")?;
    Ok(())
}

/// One question and what came of it.
struct Try {
    language: Language,
    /// Place of the right section, from 1; `None` when it was not found or there is none.
    rank: Option<usize>,
    has_answer: bool,
    cosine: f32,
    coverage: f32,
}

impl Try {
    /// What the gate can learn from: right first hits, and first hits of questions without an answer.
    fn sample(&self) -> Option<Sample> {
        // The cosine of a row of a table is not known: its vector has the header row in front.
        let clear = (self.rank == Some(1) || !self.has_answer) && self.cosine > 0.0;
        clear.then_some(Sample { cosine: self.cosine, coverage: self.coverage, is_right: self.has_answer })
    }
}

async fn attempt(house: &House, question: &str, answer: Option<&sections::Section>) -> Result<Try, Box<dyn Error>> {
    let found = house.search(question, HITS).await?;
    let asked = Asked::new(question);
    let right = answer.and_then(|section| found.iter().position(|found| section.holds(found)));
    let (mut cosine, mut coverage) = (0.0, 0.0);
    if let Some(first) = found.first() {
        cosine = house.cosine(question, first);
        coverage = asked.coverage(&first.passage);
    }
    let language = Language::of(question);
    Ok(Try { language, rank: right.map(|at| at + 1), has_answer: answer.is_some(), cosine, coverage })
}

fn rates(tries: &[Try], language: Language, fitted: fit::Fitted) -> Value {
    let own: Vec<&Try> = tries.iter().filter(|one| one.language == language).collect();
    rates_of(&own, fitted.into())
}

fn rates_of(tries: &[&Try], calibration: kubemate_corpus::relevance::Calibration) -> Value {
    let threshold = RelevanceConfig::default().threshold;
    let passes = |one: &&&Try| calibration.evidence(one.cosine, one.coverage) >= threshold;
    let (with, without): (Vec<&&Try>, Vec<&&Try>) = tries.iter().partition(|one| one.has_answer);
    let right: Vec<&&Try> = with.iter().copied().filter(|one| one.rank == Some(1)).collect();
    let share = |part: usize, all: usize| (part as f64 / all.max(1) as f64 * 1000.0).round() / 1000.0;
    let reciprocal: f64 = with.iter().filter_map(|one| one.rank).map(|rank| 1.0 / rank as f64).sum();
    json!({
        "questions with an answer": with.len(),
        "first hit right": share(right.len(), with.len()),
        "among the first five": share(with.iter().filter(|one| one.rank.is_some_and(|rank| rank <= 5)).count(), with.len()),
        "mean reciprocal rank": (reciprocal / with.len().max(1) as f64 * 1000.0).round() / 1000.0,
        "right first hits refused": share(right.iter().filter(|one| !passes(one)).count(), right.len()),
        "questions without an answer": without.len(),
        "of these let through": share(without.iter().filter(|one| passes(one)).count(), without.len()),
        "cosine of right hits": quantiles(right.iter().map(|one| one.cosine).collect()),
        "cosine without an answer": quantiles(without.iter().map(|one| one.cosine).collect()),
        "coverage of right hits": quantiles(right.iter().map(|one| one.coverage).collect()),
        "coverage without an answer": quantiles(without.iter().map(|one| one.coverage).collect()),
    })
}

/// The 5th, 50th and 95th hundredth.
fn quantiles(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let at =
        |part: f32| values.get(((values.len().saturating_sub(1)) as f32 * part) as usize).copied().unwrap_or_default();
    [0.05, 0.5, 0.95].map(|part| (at(part) * 1000.0).round() / 1000.0).to_vec()
}

fn even<T>(all: &[T]) -> Vec<&T> {
    all.iter().step_by(all.len().div_ceil(MOST).max(1)).collect()
}
