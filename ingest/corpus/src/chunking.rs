//! From a document to passages: pieces that the embedder can see whole and a person can be pointed to.
//!
//! A passage never crosses a heading (unless what came before is a mere crumb) and crosses a page only to finish a
//! sentence, so its first page is the page of what it says. Sizes are tokens of the embedder's own tokenizer, which
//! reads each part of the text once.

mod atoms;
mod borders;
mod chars;
mod embedded_text;
mod pack;
mod sections;
mod strategy;

use std::ops::Range;

use kubemate_engine::{ModelIdentity, TokenCounter};
use kubemate_parse::Document;
use kubemate_vectors::Passage;

pub use strategy::{ChunkConfig, Chunking, ChunkingStrategy, StaticSizes};

use atoms::{Atom, atoms};
use chars::CharIndex;
use embedded_text::{EmbeddedText, Lead};

/// What stands between two paragraphs of a document's text.
const PARAGRAPH: &str = "\n\n";

/// A piece of a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Place in the document, from 0.
    pub ordinal: u32,
    /// The passage in bytes of the document's text.
    pub bytes: Range<usize>,
    /// The passage in Unicode scalar values of the document's text.
    pub start: u64,
    /// End of the passage (exclusive) in Unicode scalar values.
    pub end: u64,
    /// Page the passage begins on, from 1.
    pub page: Option<u32>,
    /// Page of its last block, when that is another one.
    pub page_end: Option<u32>,
    /// Headings the passage stands under, outermost first. Rows of a table whose header row lies in an earlier
    /// passage have that row as the last entry.
    pub heading: Vec<String>,
    /// What the embedder reads: headings and table header that the passage itself does not show, then the passage.
    pub embedded: String,
}

/// How much of a text one vector can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Tokens of text the embedder sees beside its own prefix and special tokens.
    pub tokens: usize,
}

impl Sight {
    /// Special tokens (2), a prefix like `passage: ` (3 in the vocabulary of e5), and 11 to spare: pieces counted
    /// one by one can come out a few tokens longer when they are tokenized together.
    const RESERVED: usize = 16;

    /// What this model can see.
    #[must_use]
    pub fn of(model: &ModelIdentity) -> Self {
        Self { tokens: model.context.saturating_sub(Self::RESERVED).max(32) }
    }
}

/// Cuts a document into passages.
///
/// Every visible character of the text is in at least one passage, except headings whose first text is on another
/// page; those are in the passages' `heading`. The cost is linear in the text.
#[must_use]
pub fn chunk(document: &Document, counter: &dyn TokenCounter, sight: Sight, chunking: &Chunking) -> Vec<Chunk> {
    let limits = chunking.limits(sight);
    let atoms = atoms(document, counter, limits.longest_atom());
    let index = CharIndex::new(&document.text);
    let lead = Lead::new(document, counter, limits);
    let mut chunks = Vec::new();
    for section in sections::sections(document, &atoms, limits.crumb) {
        for piece in pack::pack(&atoms, &section, |at| lead.room(&atoms, at), limits.overlap) {
            let Some(atoms) = atoms.get(piece) else { continue };
            chunks.extend(build(document, atoms, &lead, &index, chunks.len()));
        }
    }
    chunks
}

fn build(document: &Document, atoms: &[Atom], lead: &Lead<'_>, index: &CharIndex<'_>, count: usize) -> Option<Chunk> {
    let (first, last) = (atoms.first()?, atoms.last()?);
    let bytes = first.range.start..last.range.end;
    let text = document.text.get(bytes.clone())?;
    let EmbeddedText { heading, embedded } = lead.text(atoms, text);
    let (page, page_end) = (first.page, last.page.filter(|page| Some(*page) != first.page));
    let (start, end) = (index.chars(bytes.start), index.chars(bytes.end));
    Some(Chunk { ordinal: u32::try_from(count).ok()?, bytes, start, end, page, page_end, heading, embedded })
}

/// The byte at which a passage's last page begins, for one that goes on to another page. It does so only to finish a
/// sentence, with what is then its last paragraph.
pub(crate) fn turn(passage: &Passage) -> Option<usize> {
    passage.page_end.and_then(|_| passage.text.rfind(PARAGRAPH)).map(|at| at + PARAGRAPH.len())
}

/// The page that this byte of a passage's text stands on.
pub(crate) fn page_at(passage: &Passage, at: usize) -> Option<u32> {
    if turn(passage).is_some_and(|turn| at >= turn) { passage.page_end } else { passage.page }
}

#[cfg(test)]
mod tests;
