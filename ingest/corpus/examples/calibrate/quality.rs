//! How well search finds, beside each of its arms alone.

use std::error::Error;

use serde_json::{Map, Value, json};

use crate::house::House;
use crate::sets::{BOOKS, Book, sections};

/// Documents looked at.
const DEPTH: usize = 10;
/// Weights of the words in the order that are tried beside the one in use.
const WEIGHTS: [f32; 5] = [0.1, 0.2, 0.3, 0.4, 0.5];

/// Sums over the questions.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    gain: f64,
    hits: f64,
    reciprocal: f64,
}

impl Score {
    /// Counts the documents found for one question, best first.
    fn count<'a>(&mut self, found: impl Iterator<Item = &'a str>, right: &str) {
        let mut documents: Vec<&str> = Vec::new();
        for name in found {
            if !documents.contains(&name) {
                documents.push(name);
            }
        }
        if let Some(rank) = documents.iter().take(DEPTH).position(|name| *name == right) {
            self.gain += 1.0 / (rank as f64 + 2.0).log2();
            self.hits += 1.0;
            self.reciprocal += 1.0 / (rank as f64 + 1.0);
        }
    }

    fn of(self, questions: usize) -> Value {
        let mean = |sum: f64| (sum / questions.max(1) as f64 * 1000.0).round() / 1000.0;
        json!({"nDCG@10": mean(self.gain), "recall@10": mean(self.hits), "MRR": mean(self.reciprocal)})
    }
}

/// Measures one embedder on all books.
pub(crate) async fn measure(embedder: &str, wanted: &[String]) -> Result<Value, Box<dyn Error>> {
    let mut report = Map::new();
    for book in BOOKS.iter().filter(|book| wanted.is_empty() || wanted.iter().any(|name| name == book.package)) {
        report.insert(book.package.to_owned(), of_book(embedder, book).await?);
    }
    Ok(json!({"embedder": embedder, "books": report}))
}

async fn of_book(embedder: &str, book: &Book) -> Result<Value, Box<dyn Error>> {
    let sections = sections(book)?;
    let house = House::build(embedder, sections.iter().enumerate()).await?;
    let (mut lexical, mut dense, mut fused) = (Score::default(), Score::default(), [Score::default(); WEIGHTS.len()]);
    for (at, section) in sections.iter().enumerate() {
        let right = format!("{at}.txt");
        let question = section.heading.as_str();
        lexical.count(house.lexical(question).await?.iter().map(|hit| hit.passage.filename.as_str()), &right);
        dense.count(house.dense(question).await?.iter().map(|hit| hit.passage.filename.as_str()), &right);
        for (weight, score) in WEIGHTS.iter().zip(&mut fused) {
            let found = house.search(question, Some(*weight)).await?;
            score.count(found.iter().map(|found| found.filename.as_str()), &right);
        }
    }
    let fused = WEIGHTS.iter().zip(fused).map(|(weight, score)| (format!("{weight:.1}"), score.of(sections.len())));
    Ok(json!({
        "questions": sections.len(),
        "words alone": lexical.of(sections.len()),
        "meaning alone": dense.of(sections.len()),
        "both, by the weight of the words": fused.collect::<Map<_, _>>(),
    }))
}
