//! Filling passages with the pieces of one section.

use std::ops::Range;

use kubemate_parse::BlockKind;

use super::atoms::Atom;

/// Ranges of pieces, each one passage of at most `room(first piece)` tokens, together covering the section.
///
/// A section that fits is one passage. A longer one is cut into parts of about equal length, at the end of a block
/// where one is near, else at the end of a sentence. The next passage begins with the last sentences of the one before, up to
/// `overlap` tokens, unless those are rows of a table or lines of code.
pub(super) fn pack(
    atoms: &[Atom],
    section: &Range<usize>,
    room: impl Fn(usize) -> usize,
    overlap: usize,
) -> Vec<Range<usize>> {
    let packer = Packer::new(atoms, section.clone());
    let mut found = Vec::new();
    let (mut start, mut end) = (section.start, section.start);
    while end < section.end {
        end = packer.end(start, end, room(start), overlap);
        found.push(start..end);
        start = packer.step_back(start, end, overlap, &room);
    }
    found
}

struct Packer<'a> {
    atoms: &'a [Atom],
    section: Range<usize>,
    /// Tokens of the section before each piece, and of all.
    sums: Vec<usize>,
}

impl<'a> Packer<'a> {
    fn new(atoms: &'a [Atom], section: Range<usize>) -> Self {
        let pieces = atoms.get(section.clone()).unwrap_or_default();
        let mut sums = vec![0];
        sums.extend(pieces.iter().scan(0, |sum, atom| {
            *sum += atom.tokens;
            Some(*sum)
        }));
        Self { atoms, section, sums }
    }

    fn tokens(&self, from: usize, to: usize) -> usize {
        let sum = |at: usize| self.sums.get(at - self.section.start).copied().unwrap_or_default();
        sum(to).saturating_sub(sum(from))
    }

    /// Where the passage that begins at `start` and goes beyond `past` ends best.
    fn end(&self, start: usize, past: usize, room: usize, overlap: usize) -> usize {
        let rest = self.tokens(start, self.section.end);
        if rest <= room {
            return self.section.end;
        }
        let step = room.saturating_sub(overlap).max(1);
        let parts = rest.saturating_sub(overlap).div_ceil(step).max(1);
        let target = (rest.saturating_sub(overlap) / parts + overlap).min(room);
        let ends = (past + 1..=self.section.end).take_while(|end| self.tokens(start, *end) <= room);
        let cost = |end: &usize| self.tokens(start, *end).abs_diff(target) * 100 / room.max(1) + self.border(*end);
        ends.min_by_key(|end| (cost(end), usize::MAX - end)).unwrap_or(past + 1)
    }

    /// What it costs to end before this piece, in hundredths of a passage's length.
    fn border(&self, at: usize) -> usize {
        let before = at.checked_sub(1).and_then(|before| self.atoms.get(before));
        match (before, self.atoms.get(at)) {
            (Some(before), _) if before.cut => 40,
            (Some(before), Some(after)) if before.block == after.block => 12,
            _ => 0,
        }
    }

    /// Where the next passage begins: at `end`, or some sentences earlier.
    fn step_back(&self, start: usize, end: usize, overlap: usize, room: impl Fn(usize) -> usize) -> usize {
        let prose = |at: usize| {
            let kind = self.atoms.get(at).map(|atom| atom.kind);
            matches!(kind, Some(BlockKind::Paragraph | BlockKind::ListItem))
        };
        let earlier = (start + 1..end).rev();
        let earliest = earlier.take_while(|at| prose(*at) && self.tokens(*at, end) <= overlap).last().unwrap_or(end);
        let next_fits = |at: &usize| self.tokens(*at, end + 1) <= room(*at) && self.border(*at) < 40;
        (earliest..end).find(next_fits).unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn atom(tokens: usize, block: usize) -> Atom {
        let kind = BlockKind::Paragraph;
        Atom { range: 0..1, tokens, block, kind, page: None, header: None, cut: false }
    }

    #[test]
    fn a_section_slightly_too_long_is_cut_in_halves_not_into_a_whole_and_a_crumb() {
        let atoms: Vec<Atom> = (0..11).map(|_| atom(10, 0)).collect();
        assert_eq!(pack(&atoms, &(0..11), |_| 100, 0), [0..6, 6..11]);
    }

    #[test]
    fn the_end_of_a_block_is_preferred_when_it_is_near() {
        let atoms: Vec<Atom> = (0..12).map(|at| atom(10, usize::from(at >= 7))).collect();
        assert_eq!(pack(&atoms, &(0..12), |_| 100, 0), [0..7, 7..12]);
    }

    #[test]
    fn neighbours_share_whole_sentences() {
        let atoms: Vec<Atom> = (0..12).map(|_| atom(10, 0)).collect();
        let found = pack(&atoms, &(0..12), |_| 60, 20);
        assert!(found.windows(2).all(|pair| pair[0].end - pair[1].start == 2), "{found:?}");
    }

    proptest! {
        #[test]
        fn passages_cover_the_section_within_the_room(
            sizes in prop::collection::vec(1usize..40, 1..60), room in 40usize..100, overlap in 0usize..50,
        ) {
            let atoms: Vec<Atom> = sizes.iter().enumerate().map(|(at, size)| atom(*size, at / 4)).collect();
            let found = pack(&atoms, &(0..atoms.len()), |_| room, overlap.min(room / 2));
            prop_assert_eq!(found.first().unwrap().start, 0);
            prop_assert_eq!(found.last().unwrap().end, atoms.len());
            prop_assert!(found.windows(2).all(|pair| pair[1].start <= pair[0].end && pair[1].end > pair[0].end));
            prop_assert!(found.iter().all(|range| sizes[range.clone()].iter().sum::<usize>() <= room));
        }
    }
}
