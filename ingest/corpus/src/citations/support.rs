//! Which sentences of which passage support a statement.

use std::ops::Range;

use super::terms::Terms;
use super::{Annotation, Offered};
use crate::chunking::page_at;
use crate::sentences::{Lines, sentences};

/// Most neighbouring sentences that support one statement together.
const MOST_SENTENCES: usize = 3;
/// What each further sentence must add, as a share of the statement, to be quoted too.
const WORTH: f32 = 0.15;
/// What is left of the support when a number of the statement is not in the passage's sentences, or a name not in the row
/// of a table: below any threshold in use.
const WRONG: f32 = 0.4;

/// An offered passage, read once.
#[derive(Debug)]
pub(super) struct Source {
    offered: Offered,
    /// Its sentences and lines.
    sentences: Vec<Said>,
}

/// One sentence, or one row of a table.
#[derive(Debug)]
struct Said {
    /// Bytes of the passage.
    range: Range<usize>,
    terms: Terms,
    /// For a row of a table, what the table's first row calls its cells: the words for what the row says stand there. Rows
    /// side by side say nothing together: the name of one and the number of another make a false statement.
    header: Option<Terms>,
}

/// The best place for a statement in one passage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Support {
    /// Weighted share of the statement's words found there, 0 to 1.
    pub(super) share: f32,
    /// Bytes of the passage.
    range: Range<usize>,
    /// How the place compares with others: the share, less for longer quotes.
    rank: f32,
}

impl Source {
    pub(super) fn new(offered: &Offered) -> Self {
        let text = offered.found.passage.text.as_str();
        // The header of a table that goes on from an earlier passage stands among the headings.
        let mut header = offered.found.passage.heading.last().filter(|line| is_row(line)).map(|line| Terms::of(line));
        let read = |range: Range<usize>| {
            let line = text.get(range.clone()).unwrap_or_default();
            let terms = Terms::of(line);
            header = is_row(line).then(|| header.take().unwrap_or_else(|| terms.clone()));
            Said { range, terms, header: header.clone() }
        };
        let sentences = sentences(text, Lines::Whole).into_iter().map(read).collect();
        Self { offered: offered.clone(), sentences }
    }

    pub(super) fn number(&self) -> usize {
        self.offered.number
    }

    /// The sentences that support the statement best, if any shares a word with it.
    pub(super) fn support(&self, statement: &Terms) -> Option<Support> {
        let total = statement.total();
        if total <= 0.0 {
            return None;
        }
        let windows = (0..self.sentences.len()).flat_map(|start| {
            let row = self.is_row(start);
            self.windows(start).map(move |window| (window, row))
        });
        let supports = windows.map(|((range, said, more), row)| {
            let share = statement.shared(&said) / total;
            let wrong = !statement.numbers_are_in(&said) || (row && !statement.names_are_in(&said));
            let share = if wrong { share * WRONG } else { share };
            Support { share, range, rank: share - WORTH * more as f32 }
        });
        supports
            .filter(|support| support.share > 0.0)
            .max_by(|a, b| a.rank.total_cmp(&b.rank).then(b.range.start.cmp(&a.range.start)))
    }

    /// One to three neighbouring sentences from `start`, or one row: their range, what they say, and how many more than one.
    fn windows(&self, start: usize) -> impl Iterator<Item = (Range<usize>, Terms, usize)> {
        let mut said = Terms::default();
        let first = self.sentences.get(start).map_or(0, |first| first.range.start);
        let together = self.sentences.iter().skip(start).take(MOST_SENTENCES).enumerate();
        let together = together.take_while(|(more, next)| *more == 0 || next.header.is_none());
        together.take(if self.is_row(start) { 1 } else { MOST_SENTENCES }).map(move |(more, next)| {
            next.header.iter().chain([&next.terms]).for_each(|terms| said.extend(terms));
            (first..next.range.end, said.clone(), more)
        })
    }

    fn is_row(&self, at: usize) -> bool {
        self.sentences.get(at).is_some_and(|said| said.header.is_some())
    }

    /// The annotation that quotes this support, or the whole passage.
    pub(super) fn annotation(&self, index: usize, support: Option<&Support>) -> Annotation {
        let whole = 0..self.offered.found.passage.text.len();
        let range = support.map_or(whole, |support| support.range.clone());
        Annotation { index, ..Annotation::of(&self.offered, range) }
    }
}

/// Whether a line is written as the parser writes rows of tables.
pub(crate) fn is_row(line: &str) -> bool {
    line.contains(" | ")
}

impl Annotation {
    /// Quotes these bytes of an offered passage; its place in an answer is not known yet.
    pub(crate) fn of(offered: &Offered, range: Range<usize>) -> Self {
        let found = &offered.found;
        let passage = &found.passage;
        let quote = passage.text.get(range.clone()).unwrap_or_default().to_owned();
        let page = page_at(passage, range.start);
        let start = passage.start + count(passage.text.get(..range.start).unwrap_or_default());
        Self {
            index: 0,
            number: offered.number,
            store: found.store.clone(),
            file: found.file.clone(),
            filename: found.filename.clone(),
            page,
            page_end: page_at(passage, range.end.saturating_sub(1)).filter(|last| Some(*last) != page),
            start,
            end: start + count(&quote),
            quote,
        }
    }
}

fn count(text: &str) -> u64 {
    text.chars().count() as u64
}

/// The passage that supports the statement best, when its share reaches the threshold.
pub(super) fn best<'a>(sources: &'a [Source], statement: &Terms, threshold: f32) -> Option<(&'a Source, Support)> {
    let supports = sources.iter().filter_map(|source| Some((source, source.support(statement)?)));
    let (source, support) = supports.fold(None, |best: Option<(&Source, Support)>, next| match best {
        Some(best) if best.1.rank >= next.1.rank => Some(best),
        _ => Some(next),
    })?;
    (support.share >= threshold.max(least(statement))).then_some((source, support))
}

/// A statement of a word or two must be supported by all of it.
fn least(statement: &Terms) -> f32 {
    let terms = statement.words.len() + statement.numbers.len();
    if terms <= 2 { 0.99 } else { 0.0 }
}
