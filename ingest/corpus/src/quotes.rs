//! Quotes: the sentences that answer a question best, word for word.
//!
//! For chat models too small to be trusted with facts, see ADR 0051. A place is one sentence or two neighbouring ones of an
//! offered passage. It is ranked by its meaning (cosine to the question, scaled over all places), by the question's words it
//! holds, and by the rank of its passage. A place that only repeats the question, as the headings of question-and-answer
//! pages do, is no answer.

use std::ops::Range;

use kubemate_engine::{EmbedRequest, Embedder, Priority, Purpose};
use kubemate_identity::TenantId;

use crate::citations::{Annotation, Offered, Terms, is_row};
use crate::sentences::{Lines, sentences, trimmed};
use crate::{Corpus, CorpusError};

/// Passages whose sentences are looked at; the answer is rarely in a later one.
const PASSAGES: usize = 3;
/// Longest quote in bytes: some five lines on a screen.
const LONGEST: usize = 480;
/// Most places that are embedded for one question, which bounds the time it takes.
const MOST_PLACES: usize = 64;
/// What the meaning counts, beside the words and the passage's rank.
const MEANING: f32 = 0.6;
/// What the question's words count.
const WORDS: f32 = 0.3;
/// What the rank of the passage counts.
const RANK: f32 = 0.1;
/// Share of a place that must not be in the question.
const NEWS: f32 = 0.25;

/// A place that answers, as it stands in the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Where it stands; `index` is 0 until somebody writes it into an answer.
    pub annotation: Annotation,
    /// How well it answers beside the other places, 0 to 1.
    pub score: f32,
}

impl Corpus {
    /// The place among the first offered passages that answers the question best; `None` when they hold no sentence.
    ///
    /// # Errors
    /// Those of the ledger and the embedder.
    pub async fn quote(
        &self,
        tenant: &TenantId,
        question: &str,
        offered: &[Offered],
    ) -> Result<Option<Quote>, CorpusError> {
        let places = places(question, offered);
        let Some(first) = offered.first().filter(|_| !places.is_empty()) else { return Ok(None) };
        let store = self.parts.ledger.store(tenant, &first.found.store).await?;
        let embedder = self.embedder(&store.embedder).await?;
        let cosines = cosines(&*embedder, question, &places).await?;
        Ok(best(question, places, &cosines))
    }
}

/// Every sentence and every two neighbours, in the order of the passages.
fn places(question: &str, offered: &[Offered]) -> Vec<Quote> {
    let asked = Terms::of(question);
    let mut places = Vec::new();
    for offered in offered.iter().take(PASSAGES) {
        let text = offered.found.passage.text.as_str();
        for range in windows(text, &sentences(text, Lines::Whole)) {
            let place = trimmed(text, range);
            let text = text.get(place.clone()).unwrap_or_default();
            if text.len() <= LONGEST && says_more(text, &asked) {
                places.push(Quote { annotation: Annotation::of(offered, place), score: 0.0 });
            }
        }
    }
    places.truncate(MOST_PLACES);
    places
}

/// Sentences, and pairs of neighbours in one paragraph. A row of a table stands alone, and its first row, which only names
/// what the others say, is no answer.
fn windows(text: &str, sentences: &[Range<usize>]) -> Vec<Range<usize>> {
    let row = |range: &Range<usize>| text.get(range.clone()).is_some_and(is_row);
    let neighbours = |one: &Range<usize>, next: &Range<usize>| {
        let apart = text.get(one.end.saturating_sub(1)..next.start).is_some_and(|gap| gap.contains("\n\n"));
        !(apart || row(one) || row(next) || text.get(one.clone()).is_some_and(|line| line.ends_with("\n\n")))
    };
    let pairs = sentences.iter().zip(sentences.iter().skip(1)).filter(|(one, next)| neighbours(one, next));
    let pairs: Vec<_> = pairs.map(|(one, next)| one.start..next.end).collect();
    let before = std::iter::once(None).chain(sentences.iter().map(Some));
    let alone = sentences.iter().zip(before).filter(|(own, before)| !row(own) || before.is_some_and(row));
    alone.map(|(own, _)| own.clone()).chain(pairs).collect()
}

fn says_more(text: &str, asked: &Terms) -> bool {
    let said = Terms::of(text);
    let total = said.total();
    total > 0.0 && total - said.shared(asked) >= NEWS * total
}

async fn cosines(embedder: &dyn Embedder, question: &str, places: &[Quote]) -> Result<Vec<f32>, CorpusError> {
    let priority = Priority::Interactive;
    let texts = vec![question.into()];
    let asked = embedder.embed(EmbedRequest { texts, purpose: Purpose::Query, priority }).await?;
    let texts = places.iter().map(|place| place.annotation.quote.as_str().into()).collect();
    let said = embedder.embed(EmbedRequest { texts, purpose: Purpose::Passage, priority }).await?;
    let asked = asked.vectors.into_iter().next().unwrap_or_default();
    let cosine = |said: &Vec<f32>| said.iter().zip(&asked).map(|(left, right)| left * right).sum();
    Ok(said.vectors.iter().map(cosine).collect())
}

fn best(question: &str, places: Vec<Quote>, cosines: &[f32]) -> Option<Quote> {
    let asked = Terms::of(question);
    let total = asked.total().max(f32::EPSILON);
    let low = cosines.iter().copied().fold(f32::INFINITY, f32::min);
    let span = (cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low).max(f32::EPSILON);
    let scored = places.into_iter().zip(cosines).map(|(place, cosine)| {
        let words = asked.shared(&Terms::of(&place.annotation.quote)) / total;
        let score = MEANING * (cosine - low) / span + WORDS * words + RANK / place.annotation.number.max(1) as f32;
        Quote { score: score.clamp(0.0, 1.0), ..place }
    });
    scored.max_by(|left, right| {
        left.score.total_cmp(&right.score).then(right.annotation.quote.len().cmp(&left.annotation.quote.len()))
    })
}

#[cfg(test)]
mod tests {
    use kubemate_vectors::{Attributes, Passage};

    use super::*;
    use crate::Found;

    fn offered(number: usize, text: &str) -> Offered {
        let passage = Passage {
            file: "file-1".into(),
            version: 1,
            ordinal: 0,
            page: Some(1),
            page_end: None,
            start: 0,
            end: text.chars().count() as u64,
            heading: Vec::new(),
            filename: "a.txt".into(),
            text: text.to_owned(),
            attributes: Attributes::new(),
        };
        let (store, file, filename) = ("vs_1".to_owned(), "file-1".to_owned(), "a.txt".to_owned());
        Offered { number, found: Found { store, file, filename, score: 1.0, evidence: 1.0, passage } }
    }

    #[test]
    fn the_question_itself_is_no_answer() {
        let faq =
            offered(1, "How many days of leave do employees have?\nEmployees have 15 days of paid leave each year.");
        let places = places("How many days of leave do employees have?", &[faq]);
        let texts: Vec<&str> = places.iter().map(|place| place.annotation.quote.as_str()).collect();
        assert!(!texts.contains(&"How many days of leave do employees have?"), "{texts:?}");
        assert!(texts.contains(&"Employees have 15 days of paid leave each year."));
    }

    #[test]
    fn words_of_the_question_decide_between_equal_meanings() {
        let passages = [offered(1, "年假每年十五天。病假每年十天。")];
        let places = places("病假有几天？", &passages);
        let cosines = vec![0.8; places.len()];
        assert_eq!(best("病假有几天？", places, &cosines).unwrap().annotation.quote, "病假每年十天。");
    }

    #[test]
    fn passages_without_sentences_have_no_quote() {
        assert!(places("x", &[offered(1, "")]).is_empty());
        assert_eq!(best("x", Vec::new(), &[]), None);
    }
}
