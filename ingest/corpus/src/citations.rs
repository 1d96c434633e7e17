//! From an answer to the places it came from.
//!
//! A mark `[n]` stays when passage `n` was offered and is taken out when it was not. A sentence without a mark is
//! attributed afterwards to the offered passage whose words support it, or to none. Each annotation names the exact
//! sentences of the stored text.

mod marks;
mod sieve;
mod stream;
mod support;
mod terms;

pub(crate) use support::is_row;
pub(crate) use terms::Terms;

use serde::{Deserialize, Serialize};

use crate::Found;

pub use sieve::Sieve;
pub use stream::{Piece, StreamCiter};

/// A passage as the model was given it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// The number in the prompt, from 1.
    pub number: usize,
    /// The passage.
    pub found: Found,
}

/// Where one statement of an answer came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// Place in the emitted text, in Unicode scalar values: of the mark, or of the end of an unmarked sentence.
    pub index: usize,
    /// Number of the passage in the prompt.
    pub number: usize,
    /// The knowledge base.
    pub store: String,
    /// The file's id.
    pub file: String,
    /// The file's name.
    pub filename: String,
    /// The page the quote begins on, from 1, for formats with pages.
    pub page: Option<u32>,
    /// The page the quote ends on, when that is another one.
    pub page_end: Option<u32>,
    /// Start of the quote in the stored text of the file, in Unicode scalar values.
    pub start: u64,
    /// End (exclusive) of the quote in the stored text of the file, in Unicode scalar values.
    pub end: u64,
    /// The supporting sentences, exactly as they stand in the stored text.
    pub quote: String,
}

/// An answer with its annotations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cited {
    /// The answer without marks that were not offered.
    pub text: String,
    /// Ascending by `index`.
    pub annotations: Vec<Annotation>,
}

/// Settings of the attribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CiteConfig {
    /// Share of an unmarked sentence's weighted words that the passage's sentences must hold, 0 to 1.
    pub threshold: f32,
}

impl Default for CiteConfig {
    /// 0.5: on the sentences of this module's tests paraphrases of a passage score 0.6 and more, remarks that only
    /// share its subject 0.4 and less.
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// Cites a whole answer; equal to a [`StreamCiter`] given the same text in any pieces.
#[must_use]
pub fn cite(answer: &str, offered: &[Offered], config: &CiteConfig) -> Cited {
    let mut citer = StreamCiter::new(offered, config);
    let mut cited = Cited::default();
    for piece in [citer.push(answer), citer.finish()] {
        cited.text.push_str(&piece.text);
        cited.annotations.extend(piece.annotations);
    }
    cited
}

#[cfg(test)]
mod tests;
