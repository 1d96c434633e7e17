//! Where a passage has to end: before a heading and at the end of a page.

use std::ops::Range;

use kubemate_parse::{BlockKind, Document};

use super::atoms::Atom;
use crate::sentences::is_finished;

/// Ranges of pieces that passages may be packed from, ascending.
///
/// A section with less than `crumb` tokens under its heading is joined with the one after it, when that is not of a
/// higher level. Headings alone at the end of a page are left out where text follows: they are in that text's path.
pub(super) fn sections(document: &Document, atoms: &[Atom], crumb: usize) -> Vec<Range<usize>> {
    let mut walk = Walk { document, crumb, start: 0, body: 0, level: 0, found: Vec::new() };
    for (at, atom) in atoms.iter().enumerate() {
        if let Some(previous) = at.checked_sub(1).and_then(|before| atoms.get(before)) {
            walk.step(previous, atom, at);
        }
        walk.take(atom, at);
    }
    walk.close(atoms.len());
    walk.found
}

struct Walk<'a> {
    document: &'a Document,
    crumb: usize,
    /// Where the open section begins.
    start: usize,
    /// Tokens below its headings.
    body: usize,
    /// Level of the heading right above its first text; 0 when it has none.
    level: u8,
    found: Vec<Range<usize>>,
}

impl Walk<'_> {
    /// Closes the open section before `atom`, at index `at`, when it has to end there.
    fn step(&mut self, previous: &Atom, atom: &Atom, at: usize) {
        let turned = atom.page != previous.page && atom.page.is_some() && previous.page.is_some();
        match atom.kind {
            _ if turned => self.turn(previous, atom, at),
            // A block between them was left out, and a passage is one stretch of text.
            _ if atom.block > previous.block + 1 => self.close(at),
            BlockKind::Heading { level } if atom.block != previous.block && self.ends_at(level) => self.close(at),
            _ => {}
        }
    }

    fn ends_at(&self, level: u8) -> bool {
        let crumb = self.body < self.crumb && level >= self.level;
        self.body > 0 && !crumb
    }

    fn turn(&mut self, previous: &Atom, atom: &Atom, at: usize) {
        let is_heading = matches!(atom.kind, BlockKind::Heading { .. });
        let finishes = previous.kind == BlockKind::Paragraph
            && atom.kind == BlockKind::Paragraph
            && !is_finished(self.document.text.get(previous.range.clone()).unwrap_or_default());
        if self.body == 0 && !is_heading {
            self.start = at;
        } else if finishes {
            self.close(at + 1);
        } else {
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        if at > self.start {
            self.found.push(self.start..at);
        }
        (self.start, self.body, self.level) = (at, 0, 0);
    }

    fn take(&mut self, atom: &Atom, at: usize) {
        match atom.kind {
            _ if at < self.start => {} // it went to the section before
            BlockKind::Heading { level } if self.body == 0 => self.level = level,
            BlockKind::Heading { .. } => {}
            _ => self.body += atom.tokens.max(1),
        }
    }
}
