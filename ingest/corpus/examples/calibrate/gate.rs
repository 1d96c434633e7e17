//! How often the relevance gate errs, and the coefficients it errs least with.

use std::error::Error;

use kubemate_corpus::Language;
use kubemate_corpus::relevance::{Asked, Calibration, RelevanceConfig};
use serde_json::{Map, Value, json};

use crate::facts::FACTS;
use crate::fit::{Sample, fit};
use crate::house::House;
use crate::sets::{BOOKS, Book, Section, is_question, sections};

/// Passages that a chat model is given: the gate errs when it lets none of them, or any of them, through.
const GIVEN: usize = 5;
/// Thresholds that are tried.
const THRESHOLDS: [f32; 7] = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/// What is known of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// In the knowledge base.
    There,
    /// In sections of the same book that were left out: the hardest kind, since their neighbours are there.
    LeftOut,
    /// In a book about something else.
    Elsewhere,
}

/// One question and what came of it.
#[derive(Debug)]
struct Try {
    language: Language,
    answer: Answer,
    /// Cosine and coverage of the first passages, and whether each is of the right section.
    given: Vec<Sample>,
}

impl Try {
    /// What the fit learns from: the right passage, or the best of wrong ones. Not from sections left out: their neighbours
    /// often do answer.
    fn sample(&self) -> Option<Sample> {
        let is_there = self.answer == Answer::There;
        let mut given = self.given.iter().filter(|_| self.answer != Answer::LeftOut);
        given.find(|sample| sample.is_right == is_there).copied()
    }

    fn passes(&self, calibration: Calibration, threshold: f32) -> bool {
        self.given.iter().any(|sample| calibration.evidence(self.language, sample.cosine, sample.coverage) >= threshold)
    }
}

/// Fits on one half of the questions and reports on the other.
pub(crate) async fn measure(embedder: &str) -> Result<Value, Box<dyn Error>> {
    let mut tries = Vec::new();
    for book in BOOKS.iter().filter(|book| book.package.starts_with("debian")) {
        let foreign =
            BOOKS.iter().filter(|other| other.language == book.language && !other.package.starts_with("debian"));
        tries.extend(asked(embedder, book, foreign).await?);
    }
    let facts = facts(embedder).await?;
    let in_use = RelevanceConfig::default().calibration(embedder);
    let facts_in_use = rates(&facts, in_use);
    let (learnt, held) = halves(tries);
    let (learnt_facts, held_facts) = halves(facts);
    let samples = [learnt, learnt_facts].map(|tries| tries.iter().filter_map(Try::sample).collect::<Vec<_>>());
    let fitted = fit(&samples);
    Ok(json!({
        "embedder": embedder,
        "fitted": fitted,
        "held out, fitted": rates(&held, fitted.into()),
        "held out, in use": rates(&held, in_use),
        "facts held out, fitted": rates(&held_facts, fitted.into()),
        "facts, in use": facts_in_use,
    }))
}

/// One for the fit, one to be held out.
fn halves(tries: Vec<Try>) -> (Vec<Try>, Vec<Try>) {
    let (learnt, held): (Vec<_>, Vec<_>) = tries.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let plain = |half: Vec<(usize, Try)>| half.into_iter().map(|(_, one)| one).collect();
    (plain(learnt), plain(held))
}

/// Indexes every other section of a book and asks for all of them, and for those of other books.
async fn asked<'a>(
    embedder: &str,
    book: &Book,
    others: impl Iterator<Item = &'a Book>,
) -> Result<Vec<Try>, Box<dyn Error>> {
    let own = sections(book)?;
    let house = House::build(embedder, own.iter().enumerate().filter(|(at, _)| at % 2 == 0)).await?;
    let mut tries = Vec::new();
    for (at, section) in own.iter().enumerate().filter(|(_, section)| is_question(&section.heading)) {
        let answer = if at % 2 == 0 { Answer::There } else { Answer::LeftOut };
        tries.push(attempt(&house, book.language, section, answer, &format!("{at}.txt")).await?);
    }
    for other in others {
        let foreign = sections(other)?;
        for section in foreign.iter().filter(|section| is_question(&section.heading)).take(own.len() / 2) {
            tries.push(attempt(&house, book.language, section, Answer::Elsewhere, "").await?);
        }
    }
    Ok(tries)
}

/// Asks for facts, in documents that the fit knows nothing of.
async fn facts(embedder: &str) -> Result<Vec<Try>, Box<dyn Error>> {
    let mut tries = Vec::new();
    for facts in FACTS {
        let section = |text: &&str| Section { heading: String::new(), text: (*text).to_owned() };
        let documents: Vec<Section> = facts.documents.iter().map(section).collect();
        let house = House::build(embedder, documents.iter().enumerate()).await?;
        for (answer, questions) in [(Answer::There, facts.answered), (Answer::Elsewhere, facts.unanswered)] {
            for (at, question) in questions.iter().enumerate() {
                let section = Section { heading: (*question).to_owned(), text: String::new() };
                let right = format!("{}.txt", facts.answered_by(at));
                let right = if answer == Answer::There { right.as_str() } else { "" };
                tries.push(attempt(&house, facts.language, &section, answer, right).await?);
            }
        }
    }
    Ok(tries)
}

async fn attempt(
    house: &House,
    language: Language,
    section: &Section,
    answer: Answer,
    right: &str,
) -> Result<Try, Box<dyn Error>> {
    let question = Asked::new(&section.heading);
    let found = house.search(&section.heading, None).await?;
    let sample = |found: &kubemate_corpus::Found| Sample {
        cosine: House::cosine(found),
        coverage: question.coverage(&found.passage),
        is_right: found.filename == right,
        is_chinese: language == Language::Chinese,
    };
    Ok(Try { language, answer, given: found.iter().take(GIVEN).map(sample).collect() })
}

fn rates(tries: &[Try], calibration: Calibration) -> Value {
    let of = |language: Language| tries.iter().filter(move |one| one.language == language).collect::<Vec<_>>();
    json!({
        "chinese": rates_of(&of(Language::Chinese), calibration),
        "english": rates_of(&of(Language::English), calibration),
    })
}

fn rates_of(tries: &[&Try], calibration: Calibration) -> Value {
    let by = |answer: Answer| tries.iter().copied().filter(|one| one.answer == answer).collect::<Vec<_>>();
    let (there, left_out, elsewhere) = (by(Answer::There), by(Answer::LeftOut), by(Answer::Elsewhere));
    // A question whose answer search does not find is not the gate's to pass.
    let found: Vec<&Try> = there.iter().copied().filter(|one| one.sample().is_some()).collect();
    let share = |tries: &[&Try], threshold: f32| {
        let passed = tries.iter().filter(|one| one.passes(calibration, threshold)).count();
        (passed as f64 / tries.len().max(1) as f64 * 1000.0).round() / 1000.0
    };
    let lines = THRESHOLDS.map(|threshold| {
        let line = json!({
            "answer there": share(&there, threshold),
            "answer there and among the first five": share(&found, threshold),
            "answer left out": share(&left_out, threshold),
            "answer in another book": share(&elsewhere, threshold),
        });
        (format!("{threshold:.2}"), line)
    });
    json!({
        "questions": [there.len(), left_out.len(), elsewhere.len()],
        "let through, by threshold": lines.into_iter().collect::<Map<_, _>>(),
    })
}
