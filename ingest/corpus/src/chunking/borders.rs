//! Where a long section is cut: at places that the text itself names, whatever stands before them.
//!
//! Each border between two pieces has a rank: ends of blocks go before ends of sentences, and among equals a hash of the
//! text behind the border decides. A border is a cut when none within reach ranks better. So whoever edits a paragraph moves
//! the cuts around it and no others, and the passages elsewhere keep their text and with it their vectors.

use std::ops::Range;

use kubemate_parse::BlockKind;

use super::atoms::Atom;

/// The pieces of a section with their lengths.
pub(super) struct Section<'a> {
    atoms: &'a [Atom],
    range: Range<usize>,
    /// Tokens of the section before each piece, and of all.
    sums: Vec<usize>,
}

/// How well a passage ends at a border, better ones first: what kind of place it is, and a hash for chance to be the
/// same in every version of a text.
type Rank = (u8, u64);

impl<'a> Section<'a> {
    pub(super) fn new(atoms: &'a [Atom], range: Range<usize>) -> Self {
        let pieces = atoms.get(range.clone()).unwrap_or_default();
        let mut sums = vec![0];
        sums.extend(pieces.iter().scan(0, |sum, atom| {
            *sum += atom.tokens;
            Some(*sum)
        }));
        Self { atoms, range, sums }
    }

    /// Tokens from one piece up to another.
    pub(super) fn tokens(&self, from: usize, to: usize) -> usize {
        let sum = |at: usize| self.sums.get(at.saturating_sub(self.range.start)).copied().unwrap_or_default();
        sum(to).saturating_sub(sum(from))
    }

    /// Whether the piece before this one was cut inside a sentence.
    pub(super) fn is_inside_sentence(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.atoms.get(before)).is_some_and(|before| before.cut)
    }

    /// The section in stretches of at most `room(first piece)` tokens, without overlap.
    pub(super) fn stretches(&self, room: &impl Fn(usize) -> usize) -> Vec<Range<usize>> {
        let all = self.range.clone();
        let mut found = Vec::new();
        if self.tokens(all.start, all.end) <= room(all.start) {
            found.push(all);
            return found;
        }
        // Two fifths of a passage: passages are then a third shorter than the room on average, and one edit changes two
        // of them on average, hardly ever more than four.
        let reach = room(all.start) * 2 / 5;
        let mut start = all.start;
        for at in all.start + 1..=all.end {
            if at == all.end || self.is_cut(at, reach) {
                self.divide(start..at, room, &mut found);
                start = at;
            }
        }
        found
    }

    /// Whether no border within reach, the section's own ends at half of it, is a better one.
    fn is_cut(&self, at: usize, reach: usize) -> bool {
        let Range { start, end } = self.range;
        let edge = reach / 2;
        if self.tokens(start, at) < edge || self.tokens(at, end) < edge {
            return false;
        }
        let rank = self.rank(at);
        let mut before = (start + 1..at).rev().take_while(|other| self.tokens(*other, at) < reach);
        let mut after = (at + 1..end).take_while(|other| self.tokens(at, *other) < reach);
        before.all(|other| rank < self.rank(other)) && after.all(|other| rank <= self.rank(other))
    }

    /// Cuts a stretch that is too long at its best border away from its ends.
    fn divide(&self, range: Range<usize>, room: &impl Fn(usize) -> usize, found: &mut Vec<Range<usize>>) {
        let all = self.tokens(range.start, range.end);
        if range.len() <= 1 || all <= room(range.start) {
            found.push(range);
            return;
        }
        let is_inner = |at: &usize| (all / 4..=all - all / 4).contains(&self.tokens(range.start, *at));
        let best = (range.start + 1..range.end).filter(is_inner).min_by_key(|at| self.rank(*at));
        let nearest = || (range.start + 1..range.end).min_by_key(|at| self.tokens(range.start, *at).abs_diff(all / 2));
        let at = best.or_else(nearest).unwrap_or(range.start + 1);
        self.divide(range.start..at, room, found);
        self.divide(at..range.end, room, found);
    }

    fn rank(&self, at: usize) -> Rank {
        let (before, after) = (at.checked_sub(1).and_then(|before| self.atoms.get(before)), self.atoms.get(at));
        let (Some(before), Some(after)) = (before, after) else { return (0, 0) };
        let is_heading = |atom: &Atom| matches!(atom.kind, BlockKind::Heading { .. });
        let place = match () {
            () if before.cut || is_heading(before) => 3,
            () if is_heading(after) => 0,
            () if before.block != after.block => 1,
            () => 2,
        };
        (place, after.print)
    }
}
