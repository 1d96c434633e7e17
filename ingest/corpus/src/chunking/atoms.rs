//! The smallest pieces that passages are packed from: sentences, lines of code, rows of tables.

use std::ops::Range;

use kubemate_engine::TokenCounter;
use kubemate_parse::{Block, BlockKind, Document};

use crate::sentences::{Lines, sentences, trimmed};

/// Text tokenized in one call, in bytes: long enough that the call itself costs nothing, short enough that no
/// tokenizer's memory or time grows beyond the line.
const WINDOW: usize = 16 << 10;
/// Longest piece before tokens are known, in bytes; longer ones have no sentence ends and are cut at white space.
const LONGEST: usize = 4 << 10;

/// A piece that stays whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    /// Bytes of the document's text, without white space around them.
    pub(super) range: Range<usize>,
    /// Tokens of the embedder.
    pub(super) tokens: usize,
    /// Index of the block it lies in.
    pub(super) block: usize,
    /// What the block is.
    pub(super) kind: BlockKind,
    /// The block's page.
    pub(super) page: Option<u32>,
    /// The block of the header row, for rows of a table that has one.
    pub(super) header: Option<usize>,
    /// Whether it ends inside a sentence, cut for its length.
    pub(super) cut: bool,
    /// A hash of its text, the same in every version of a document.
    pub(super) print: u64,
}

/// All pieces of a document with their tokens, none above `longest` tokens except where one character has more.
pub(super) fn atoms(document: &Document, counter: &dyn TokenCounter, longest: usize) -> Vec<Atom> {
    let text = document.text.as_str();
    let pieces = pieces(document);
    let mut atoms = Vec::with_capacity(pieces.len());
    let mut rest = pieces.as_slice();
    while let Some(first) = rest.first() {
        let fits = rest.partition_point(|piece| piece.range.end - first.range.start <= WINDOW).max(1);
        let (window, later) = rest.split_at(fits);
        measure(text, window, counter, longest, &mut atoms);
        rest = later;
    }
    atoms
}

fn pieces(document: &Document) -> Vec<Atom> {
    let whole = [Block { kind: BlockKind::Paragraph, range: 0..document.text.len(), page: None }];
    let blocks = if document.blocks.is_empty() { whole.as_slice() } else { &document.blocks };
    let mut found = Vec::new();
    let mut header = None;
    // A table of contents would be found for every question, before the place that answers it.
    let says_nothing = |block: &Block| block.kind == BlockKind::Contents;
    let all = blocks.iter().all(says_nothing);
    for (number, block) in blocks.iter().enumerate().filter(|(_, block)| all || !says_nothing(block)) {
        header = match block.kind {
            BlockKind::TableHeader => Some(number),
            BlockKind::TableRow => header,
            _ => None,
        };
        let header = header.filter(|_| block.kind == BlockKind::TableRow);
        for range in split(&document.text, block) {
            let (kind, page) = (block.kind, block.page);
            let atom = Atom { range, tokens: 0, block: number, kind, page, header, cut: false, print: 0 };
            shorten(&document.text, atom, &mut found);
        }
    }
    found
}

/// The sentences of running text, the lines of code; headings and rows stay whole.
fn split(text: &str, block: &Block) -> Vec<Range<usize>> {
    let Some(part) = text.get(block.range.clone()) else { return Vec::new() };
    let ranges = match block.kind {
        BlockKind::Paragraph | BlockKind::ListItem | BlockKind::Contents => sentences(part, Lines::Wrapped),
        BlockKind::Code => lines(part),
        BlockKind::Heading { .. } | BlockKind::TableHeader | BlockKind::TableRow => {
            std::iter::once(0..part.len()).collect()
        }
    };
    let moved = ranges.into_iter().map(|range| range.start + block.range.start..range.end + block.range.start);
    moved.map(|range| trimmed(text, range)).filter(|range| !range.is_empty()).collect()
}

/// Lines of code, with their indentation cut: passages keep it, since they run from one piece to another.
fn lines(part: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let whole = part.split_inclusive('\n').map(|line| {
        let range = start..start + line.len();
        start = range.end;
        range
    });
    whole.collect()
}

/// Cuts a piece that is too long to be tokenized at once.
fn shorten(text: &str, mut atom: Atom, found: &mut Vec<Atom>) {
    while atom.range.len() > LONGEST {
        let most = text.floor_char_boundary(atom.range.start + LONGEST);
        let at = better_cut(text, atom.range.start, most);
        let (piece, rest) = cut(text, &atom, at);
        found.push(piece);
        atom = rest;
    }
    if !atom.range.is_empty() {
        found.push(atom);
    }
}

/// Counts the tokens of pieces that lie side by side, and cuts those above `longest`.
fn measure(text: &str, window: &[Atom], counter: &dyn TokenCounter, longest: usize, atoms: &mut Vec<Atom>) {
    let (Some(first), Some(last)) = (window.first(), window.last()) else { return };
    let base = first.range.start;
    let part = text.get(base..last.range.end).unwrap_or_default();
    // Ends, not starts: some tokenizers count the space before a word to the word.
    let ends: Vec<usize> = counter.offsets(part).into_iter().map(|token| token.end + base).collect();
    for piece in window {
        let mut atom = piece.clone();
        loop {
            let own = inside(&ends, &atom.range);
            atom.tokens = own.len();
            let Some(at) = own.get(longest.saturating_sub(1)).filter(|_| own.len() > longest) else { break };
            let at = better_cut(text, atom.range.start, *at);
            if at >= atom.range.end {
                break; // one character of many tokens at the end
            }
            let (mut piece, rest) = cut(text, &atom, at);
            piece.tokens = inside(&ends, &piece.range).len();
            piece.print = print(text, &piece.range);
            atoms.push(piece);
            atom = rest;
        }
        atom.print = print(text, &atom.range);
        atoms.push(atom);
    }
}

/// FNV-1a of the text in a range, with the last step of SplitMix64, so that its order is as good as chance.
fn print(text: &str, range: &Range<usize>) -> u64 {
    let bytes = text.get(range.clone()).unwrap_or_default().bytes();
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// The token ends in a range of the text.
fn inside<'a>(ends: &'a [usize], range: &Range<usize>) -> &'a [usize] {
    let from = ends.partition_point(|end| *end <= range.start);
    let to = ends.partition_point(|end| *end <= range.end);
    ends.get(from..to).unwrap_or_default()
}

/// The last place before `most` where a clause or a word ends, unless that is in the first half.
fn better_cut(text: &str, start: usize, most: usize) -> usize {
    let half = text.ceil_char_boundary(start + (most - start) / 2);
    let second = text.get(half..most).unwrap_or_default();
    let is_clause = |letter: char| matches!(letter, '，' | '、' | '：' | ',' | ';' | ':' | '|' | '\n');
    let behind =
        |at: usize| half + at + second.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    second.rfind(is_clause).or_else(|| second.rfind(char::is_whitespace)).map_or(most, behind)
}

fn cut(text: &str, atom: &Atom, at: usize) -> (Atom, Atom) {
    let piece = Atom { range: trimmed(text, atom.range.start..at), cut: true, ..atom.clone() };
    (piece, Atom { range: trimmed(text, at..atom.range.end), ..atom.clone() })
}
