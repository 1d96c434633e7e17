//! Citing while the answer is still being written.

use std::ops::Range;

use super::marks::{MarkFilter, Token};
use super::support::{Source, best};
use super::terms::Terms;
use super::{Annotation, CiteConfig, Offered};
use crate::sentences::{Lines, sentences};

/// What may be sent to the client after a delta.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Clean text; the pieces joined are the answer.
    pub text: String,
    /// Annotations of sentences that are complete now. Their `index` is at or before the end of the text sent so far.
    pub annotations: Vec<Annotation>,
}

/// Takes an answer delta by delta; gives clean text at once and annotations as soon as a sentence is complete.
///
/// Only what may become a mark is held back, a few characters at most.
#[derive(Debug)]
pub struct StreamCiter {
    sources: Vec<Source>,
    threshold: f32,
    filter: MarkFilter,
    /// The sentences not attributed yet, with marks blanked out so that they neither join nor part sentences.
    open: String,
    /// Marks in `open`: place of the bracket in bytes, number.
    marks: Vec<(usize, usize)>,
    /// Characters emitted before `open`.
    before: usize,
}

impl StreamCiter {
    /// Cites these passages.
    #[must_use]
    pub fn new(offered: &[Offered], config: &CiteConfig) -> Self {
        let sources: Vec<Source> = offered.iter().map(Source::new).collect();
        let filter = MarkFilter::new(sources.iter().map(Source::number).collect());
        let (open, marks, before) = <_>::default();
        Self { sources, threshold: config.threshold, filter, open, marks, before }
    }

    /// The next delta of the answer.
    pub fn push(&mut self, delta: &str) -> Piece {
        let tokens = self.filter.push(delta);
        let text = self.collect(tokens);
        Piece { text, annotations: self.complete(1) }
    }

    /// The end of the answer: what was held back, and the last sentences.
    pub fn finish(&mut self) -> Piece {
        let tokens = self.filter.finish();
        let text = self.collect(tokens);
        Piece { text, annotations: self.complete(0) }
    }

    fn collect(&mut self, tokens: Vec<Token>) -> String {
        let mut shown = String::new();
        for token in tokens {
            match token {
                Token::Text(text) => {
                    self.open.push_str(&text);
                    shown.push_str(&text);
                }
                Token::Mark(number) => {
                    let mark = format!("[{number}]");
                    self.marks.push((self.open.len(), number));
                    self.open.push_str(&" ".repeat(mark.len()));
                    shown.push_str(&mark);
                }
            }
        }
        shown
    }

    /// Attributes all open sentences but the last `keep`, which may go on or may be followed by their mark.
    fn complete(&mut self, keep: usize) -> Vec<Annotation> {
        let mut found = sentences(&self.open, Lines::Whole);
        if found.is_empty() && keep == 0 && !self.marks.is_empty() {
            found.push(0..0); // an answer of nothing but marks
        }
        let done = found.len().saturating_sub(keep);
        let border = |at: usize| found.get(at).map_or(self.open.len(), |next| next.start);
        let mut annotations = Vec::new();
        for (at, range) in found.iter().enumerate().take(done) {
            // What stands between two sentences belongs to the first; what stands before all of them to the first, too.
            let from = if at == 0 { 0 } else { range.start };
            annotations.extend(self.attribute(range, from..border(at + 1)));
        }
        if done > 0 || keep == 0 {
            self.forget(border(done));
        }
        annotations
    }

    fn attribute(&self, sentence: &Range<usize>, with_marks: Range<usize>) -> Vec<Annotation> {
        let text = self.open.get(sentence.clone()).unwrap_or_default();
        let statement = Terms::of(without_list_number(text));
        let own = self.marks.iter().filter(|(at, _)| with_marks.contains(at));
        let marked: Vec<Annotation> = own
            .filter_map(|(at, number)| {
                let source = self.sources.iter().find(|source| source.number() == *number)?;
                Some(source.annotation(self.index(*at), source.support(&statement).as_ref()))
            })
            .collect();
        if !marked.is_empty() {
            return marked;
        }
        let supported = best(&self.sources, &statement, self.threshold);
        supported
            .map(|(source, support)| source.annotation(self.index(sentence.end), Some(&support)))
            .into_iter()
            .collect()
    }

    /// Place in the emitted text of a byte of `open`.
    fn index(&self, at: usize) -> usize {
        self.before + self.open.get(..at).unwrap_or_default().chars().count()
    }

    fn forget(&mut self, until: usize) {
        self.before = self.index(until);
        self.open.drain(..until);
        self.marks.retain(|(at, _)| *at >= until);
        self.marks.iter_mut().for_each(|(at, _)| *at -= until);
    }
}

/// The sentence without `1. ` or `2) ` in front: that number states nothing.
fn without_list_number(text: &str) -> &str {
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let item = [". ", ") ", "、", "）"].iter().find_map(|marker| rest.strip_prefix(marker));
    item.filter(|_| rest.len() < text.len()).unwrap_or(text)
}
