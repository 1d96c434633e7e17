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
use crate::script::is_cjk;
use crate::sentences::{Lines, is_finished, sentences, trimmed};
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
/// Widest line, in columns of Latin letters, that is taken for the title of what follows when it ends without a mark:
/// lines of running text are longer before they are broken.
const TITLE: usize = 40;
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

/// A quote, and what it says as it is read for comparing: a row of a table with the words of its header.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    quote: Quote,
    read: String,
}

/// Every sentence and every two neighbours, in the order of the passages.
fn places(question: &str, offered: &[Offered]) -> Vec<Place> {
    let asked = Terms::of(question);
    let mut places = Vec::new();
    for offered in offered.iter().take(PASSAGES) {
        let passage = &offered.found.passage;
        for Window { range, header } in windows(&passage.text, &passage.heading) {
            let place = trimmed(&passage.text, range);
            let text = passage.text.get(place.clone()).unwrap_or_default();
            let is_heading = passage.heading.iter().any(|heading| heading.trim() == text);
            if text.len() <= LONGEST && !is_heading && says_more(text, &asked) {
                let quote = Quote { annotation: Annotation::of(offered, place), score: 0.0 };
                let read = header.map_or_else(|| text.to_owned(), |header| with_header(text, header));
                places.push(Place { quote, read });
            }
        }
    }
    places.truncate(MOST_PLACES);
    places
}

/// What may be quoted; a row with the row that names its cells.
struct Window<'a> {
    range: Range<usize>,
    header: Option<&'a str>,
}

/// Sentences, and pairs of neighbours in one paragraph. A row of a table stands alone, and its first row, which only names
/// what the others say, is no answer. Where the table goes on from an earlier passage, that row is the last heading.
fn windows<'a>(text: &'a str, heading: &'a [String]) -> Vec<Window<'a>> {
    let sentences = sentences(text, Lines::Whole);
    let line = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let mut header = heading.last().map(String::as_str).filter(|line| is_row(line));
    let mut found = Vec::new();
    for (at, own) in sentences.iter().enumerate() {
        if is_row(line(own)) {
            match header {
                Some(header) => found.push(Window { range: own.clone(), header: Some(header) }),
                None => header = Some(line(own)),
            }
            continue;
        }
        header = None;
        found.push(Window { range: own.clone(), header });
        let next = sentences.get(at + 1).filter(|next| !is_row(line(next)) && go_on(text, own, next));
        found.extend(next.map(|next| Window { range: own.start..next.end, header }));
    }
    found
}

/// Whether two sentences stand in one paragraph, and the first is no line above it.
fn go_on(text: &str, one: &Range<usize>, next: &Range<usize>) -> bool {
    let line = text.get(one.clone()).unwrap_or_default();
    let gap = text.get(one.end..next.start).unwrap_or_default();
    let width = line.chars().map(|letter| if is_cjk(letter) { 2 } else { 1 }).sum::<usize>();
    let is_title = gap.contains('\n') && !is_finished(line) && width <= TITLE;
    !gap.contains("\n\n") && !is_title
}

/// `Harbour | 42` under `Branch | Staff` as `Branch: Harbour, Staff: 42`; both lines where their cells differ in number.
fn with_header(row: &str, header: &str) -> String {
    let (cells, names): (Vec<&str>, Vec<&str>) = (row.split(" | ").collect(), header.split(" | ").collect());
    if cells.len() != names.len() {
        return format!("{header}\n{row}");
    }
    let named = names.iter().zip(cells).map(|(name, cell)| format!("{}: {}", name.trim(), cell.trim()));
    named.collect::<Vec<_>>().join(", ")
}

fn says_more(text: &str, asked: &Terms) -> bool {
    let said = Terms::of(text);
    let total = said.total();
    total > 0.0 && total - said.shared(asked) >= NEWS * total
}

async fn cosines(embedder: &dyn Embedder, question: &str, places: &[Place]) -> Result<Vec<f32>, CorpusError> {
    let priority = Priority::Interactive;
    let texts = vec![question.into()];
    let asked = embedder.embed(EmbedRequest { texts, purpose: Purpose::Query, priority }).await?;
    let texts = places.iter().map(|place| place.read.as_str().into()).collect();
    let said = embedder.embed(EmbedRequest { texts, purpose: Purpose::Passage, priority }).await?;
    let asked = asked.vectors.into_iter().next().unwrap_or_default();
    let cosine = |said: &Vec<f32>| said.iter().zip(&asked).map(|(left, right)| left * right).sum();
    Ok(said.vectors.iter().map(cosine).collect())
}

fn best(question: &str, places: Vec<Place>, cosines: &[f32]) -> Option<Quote> {
    let asked = Terms::of(question);
    let total = asked.total().max(f32::EPSILON);
    let low = cosines.iter().copied().fold(f32::INFINITY, f32::min);
    let span = (cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max) - low).max(f32::EPSILON);
    let scored = places.into_iter().zip(cosines).map(|(place, cosine)| {
        let words = asked.shared(&Terms::of(&place.read)) / total;
        let rank = RANK / place.quote.annotation.number.max(1) as f32;
        let score = MEANING * (cosine - low) / span + WORDS * words + rank;
        Quote { score: score.clamp(0.0, 1.0), ..place.quote }
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
        let texts: Vec<&str> = places.iter().map(|place| place.quote.annotation.quote.as_str()).collect();
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

    #[test]
    fn a_row_is_read_with_its_header_and_the_header_is_no_answer() {
        let table = offered(1, "Branch | Manager | Staff\nHarbour | Ewa Kowalska | 42\nOld Town | Ana Duarte | 27\n");
        let read = |offered: Offered| places("?", &[offered]).into_iter().map(|place| place.read).collect::<Vec<_>>();
        let rows =
            ["Branch: Harbour, Manager: Ewa Kowalska, Staff: 42", "Branch: Old Town, Manager: Ana Duarte, Staff: 27"];
        assert_eq!(read(table), rows);
        let mut later = offered(1, "Hill | Jo Brand | 9\n");
        later.found.passage.heading = vec!["Branches".into(), "Branch | Manager | Staff".into()];
        assert_eq!(read(later), ["Branch: Hill, Manager: Jo Brand, Staff: 9"]);
    }

    #[test]
    fn titles_are_not_quoted_with_what_stands_below_them() {
        let mut text = offered(1, "保修\n整机保修三年。寄修运费由我司承担。");
        text.found.passage.heading = vec!["保修".to_owned()];
        let quotes: Vec<String> = places("?", &[text]).into_iter().map(|place| place.quote.annotation.quote).collect();
        assert_eq!(quotes, ["整机保修三年。", "整机保修三年。寄修运费由我司承担。", "寄修运费由我司承担。"]);
    }
}
