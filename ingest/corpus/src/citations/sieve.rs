//! Lets through what is supported, for models whose other sentences are not worth reading.

use std::ops::Range;

use super::Offered;
use super::marks::{MarkFilter, Token};
use super::support::{Source, best};
use super::terms::Terms;
use crate::sentences::{Lines, sentences};

/// Least support of a sentence that is let through: more than a citation needs, because what is let through behind a quote
/// is believed with it.
const SUPPORT: f32 = 0.75;
/// Share of a sentence that must not have been said before it.
const NEWS: f32 = 0.25;

/// Takes an answer delta by delta; gives back those whole sentences that an offered passage supports and that were not said
/// before. Marks are taken out: whoever cites the rest finds the places by the words.
#[derive(Debug)]
pub struct Sieve {
    sources: Vec<Source>,
    marks: MarkFilter,
    open: String,
    said: Terms,
}

impl Sieve {
    /// Lets through what these passages support and `said` does not say yet.
    #[must_use]
    pub fn new(offered: &[Offered], said: &str) -> Self {
        let sources = offered.iter().map(Source::new).collect();
        Self { sources, marks: MarkFilter::new(Vec::new()), open: String::new(), said: Terms::of(said) }
    }

    /// The next delta of the answer; what is clear by now.
    pub fn push(&mut self, delta: &str) -> String {
        let tokens = self.marks.push(delta);
        self.collect(tokens);
        self.complete(1)
    }

    /// The end of the answer: its last sentence.
    pub fn finish(&mut self) -> String {
        let tokens = self.marks.finish();
        self.collect(tokens);
        self.complete(0)
    }

    fn collect(&mut self, tokens: Vec<Token>) {
        for token in tokens {
            if let Token::Text(text) = token {
                self.open.push_str(&text);
            }
        }
    }

    /// Judges all open sentences but the last `keep`, which may go on.
    fn complete(&mut self, keep: usize) -> String {
        let found = sentences(&self.open, Lines::Whole);
        let done = found.len().saturating_sub(keep);
        let border = |at: usize| found.get(at).map_or(self.open.len(), |next| next.start);
        let judged: Vec<Range<usize>> = (0..done).map(|at| border(at)..border(at + 1)).collect();
        let mut passed = String::new();
        for range in &judged {
            let sentence = self.open.get(range.clone()).unwrap_or_default().to_owned();
            if self.passes(&sentence) {
                passed.push_str(&sentence);
            }
        }
        if let Some(last) = judged.last() {
            self.open.drain(..last.end);
        }
        passed
    }

    fn passes(&mut self, sentence: &str) -> bool {
        let statement = Terms::of(sentence);
        let total = statement.total();
        let is_news = total > 0.0 && total - statement.shared(&self.said) >= NEWS * total;
        let passes = is_news && best(&self.sources, &statement, SUPPORT).is_some();
        if passes {
            self.said.extend(&statement);
        }
        passes
    }
}
