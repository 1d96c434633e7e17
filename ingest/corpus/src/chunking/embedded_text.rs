//! What stands in front of a passage when it is embedded: its headings and the header row of its table.

use kubemate_engine::TokenCounter;
use kubemate_parse::{BlockKind, Document};

use super::atoms::Atom;
use super::strategy::Sizes;

/// Longest heading kept in a path, in characters: real titles are shorter, and a path is stored with each passage.
const LONGEST_HEADING: usize = 160;

/// Headings and table headers of a document, by block.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    document: &'a Document,
    sizes: Sizes,
    /// The distinct paths: blocks of headings, outermost first.
    paths: Vec<Vec<usize>>,
    /// Which path holds for each block; a heading's own ends with itself.
    path_of: Vec<usize>,
    /// Tokens of headings and header rows by block, 0 for all others.
    tokens: Vec<usize>,
}

/// The texts of one passage.
pub(super) struct EmbeddedText {
    pub(super) heading: Vec<String>,
    pub(super) embedded: String,
}

impl<'a> Lead<'a> {
    pub(super) fn new(document: &'a Document, counter: &dyn TokenCounter, sizes: Sizes) -> Self {
        let mut lead = Self { document, sizes, paths: vec![Vec::new()], path_of: Vec::new(), tokens: Vec::new() };
        let mut open: Vec<(u8, usize)> = Vec::new();
        for (number, block) in document.blocks.iter().enumerate() {
            if let BlockKind::Heading { level } = block.kind {
                open.retain(|(above, _)| *above < level);
                open.push((level, number));
                lead.paths.push(open.iter().map(|(_, heading)| *heading).collect());
            }
            let leads = matches!(block.kind, BlockKind::Heading { .. } | BlockKind::TableHeader);
            lead.tokens.push(if leads { counter.count(&lead.line(number)) + 1 } else { 0 });
            lead.path_of.push(lead.paths.len() - 1);
        }
        lead
    }

    /// Tokens a passage may have that begins with this piece.
    pub(super) fn room(&self, atoms: &[Atom], at: usize) -> usize {
        let Some(first) = atoms.get(at) else { return self.sizes.size };
        let above: usize = self.shown(self.path(first.block), first.block).iter().map(|block| self.cost(*block)).sum();
        let header = self.header(first).map_or(0, |block| self.cost(block));
        let room = self.sizes.size.min(self.sizes.sight.saturating_sub(above));
        room.saturating_sub(header).max(1)
    }

    /// The path of the passage made of these pieces, and what the embedder reads.
    pub(super) fn text(&self, atoms: &[Atom], passage: &str) -> EmbeddedText {
        let Some(first) = atoms.first() else {
            return EmbeddedText { heading: Vec::new(), embedded: passage.to_owned() };
        };
        let path = self.common_path(atoms);
        let header = self.header(first).map(|block| self.line(block));
        let above: Vec<String> = self.shown(path, first.block).iter().map(|block| self.line(*block)).collect();
        let mut heading: Vec<String> = path.iter().map(|block| self.line(*block)).collect();
        heading.extend(header.clone());
        let mut embedded = above.join(" > ");
        for line in header.iter().map(String::as_str).chain([passage]) {
            if !embedded.is_empty() {
                embedded.push('\n');
            }
            embedded.push_str(line);
        }
        EmbeddedText { heading, embedded }
    }

    fn path(&self, block: usize) -> &[usize] {
        let path = self.path_of.get(block).and_then(|path| self.paths.get(*path));
        path.map(Vec::as_slice).unwrap_or_default()
    }

    /// The headings above all text of the passage; of a passage with headings only, those above the first.
    fn common_path(&self, atoms: &[Atom]) -> &[usize] {
        let is_text = |atom: &&Atom| !matches!(atom.kind, BlockKind::Heading { .. });
        let mut paths = atoms.iter().filter(is_text).map(|atom| self.path(atom.block));
        let Some(first) = paths.next() else {
            return atoms.first().map(|atom| self.path(atom.block)).unwrap_or_default();
        };
        let same = paths.fold(first.len(), |same, path| {
            first.iter().zip(path).take(same).take_while(|(mine, other)| mine == other).count()
        });
        first.get(..same).unwrap_or_default()
    }

    /// The headings of a path that are put in front of a passage beginning with block `first`: those the passage does
    /// not show itself, the innermost ones when they are too many.
    fn shown<'b>(&self, path: &'b [usize], first: usize) -> &'b [usize] {
        let above = path.get(..path.partition_point(|block| *block < first)).unwrap_or_default();
        let mut left = self.sizes.headings;
        let fits = above.iter().rev().take_while(|block| {
            let fits = self.cost(**block) <= left;
            left = left.saturating_sub(self.cost(**block));
            fits
        });
        let kept = fits.count();
        above.get(above.len() - kept..).unwrap_or_default()
    }

    /// The header row to repeat for a passage that begins with this piece; none that would take over half the room.
    fn header(&self, first: &Atom) -> Option<usize> {
        first.header.filter(|block| self.cost(*block) * 2 <= self.sizes.size)
    }

    fn cost(&self, block: usize) -> usize {
        self.tokens.get(block).copied().unwrap_or_default()
    }

    /// A heading or header row on one line.
    fn line(&self, block: usize) -> String {
        let range = self.document.blocks.get(block).map(|block| block.range.clone()).unwrap_or_default();
        let text = self.document.text.get(range).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        match self.document.blocks.get(block).map(|block| block.kind) {
            Some(BlockKind::Heading { .. }) => line.chars().take(LONGEST_HEADING).collect(),
            _ => line,
        }
    }
}
