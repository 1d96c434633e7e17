//! Filling passages with the pieces of one section.

use std::ops::Range;

use kubemate_parse::BlockKind;

use super::atoms::Atom;
use super::borders::Section;

/// Ranges of pieces, each one passage of at most `room(first piece)` tokens, together covering the section.
///
/// A section that fits is one passage. A longer one is cut where [`Section::stretches`] says. The next passage begins
/// with the last sentences of the one before, up to `overlap` tokens and as far as it has room, unless those are rows
/// of a table or lines of code.
pub(super) fn pack(
    atoms: &[Atom],
    section: &Range<usize>,
    room: impl Fn(usize) -> usize,
    overlap: usize,
) -> Vec<Range<usize>> {
    let measured = Section::new(atoms, section.clone());
    let stretches = measured.stretches(&room);
    let mut earliest = section.start;
    let with_overlap = stretches.into_iter().map(|stretch| {
        let start = step_back(atoms, &measured, earliest, &stretch, overlap, &room);
        earliest = stretch.start + 1;
        start..stretch.end
    });
    with_overlap.collect()
}

/// Where a passage begins that ends as `stretch` does: with it, or some sentences earlier.
fn step_back(
    atoms: &[Atom],
    section: &Section<'_>,
    earliest: usize,
    stretch: &Range<usize>,
    overlap: usize,
    room: impl Fn(usize) -> usize,
) -> usize {
    let prose = |at: usize| {
        let kind = atoms.get(at).map(|atom| atom.kind);
        matches!(kind, Some(BlockKind::Paragraph | BlockKind::ListItem))
    };
    let before = (earliest..stretch.start).rev();
    let near = before.take_while(|at| prose(*at) && section.tokens(*at, stretch.start) <= overlap);
    let first = near.last().unwrap_or(stretch.start);
    let fits = |at: &usize| section.tokens(*at, stretch.end) <= room(*at) && !section.is_inside_sentence(*at);
    (first..stretch.start).find(fits).unwrap_or(stretch.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn atom(tokens: usize, block: usize, print: u64) -> Atom {
        let kind = BlockKind::Paragraph;
        Atom { range: 0..1, tokens, block, kind, page: None, header: None, cut: false, print }
    }

    #[test]
    fn a_section_slightly_too_long_is_cut_well_inside() {
        let atoms: Vec<Atom> = (0..11).map(|at| atom(10, 0, at ^ 5)).collect();
        let found = pack(&atoms, &(0..11), |_| 100, 0);
        assert_eq!(found, [0..5, 5..11]);
    }

    #[test]
    fn the_end_of_a_block_is_preferred_when_it_is_near() {
        let atoms: Vec<Atom> = (0..12).map(|at| atom(10, usize::from(at >= 7), 100 - at)).collect();
        assert_eq!(pack(&atoms, &(0..12), |_| 100, 0), [0..7, 7..12]);
    }

    #[test]
    fn neighbours_share_whole_sentences() {
        let atoms: Vec<Atom> = (0..12).map(|at| atom(10, 0, at * 7 % 5)).collect();
        let found = pack(&atoms, &(0..12), |_| 60, 20);
        let shared = |pair: &[Range<usize>]| pair[0].end - pair[1].start;
        assert!(found.len() > 1 && found.windows(2).any(|pair| shared(pair) > 0), "{found:?}");
        assert!(found.windows(2).all(|pair| shared(pair) <= 2), "{found:?}");
    }

    proptest! {
        #[test]
        fn passages_cover_the_section_within_the_room(
            sizes in prop::collection::vec((1usize..40, 0u64..9), 1..60), room in 40usize..100, overlap in 0usize..50,
        ) {
            let atoms: Vec<Atom> =
                sizes.iter().enumerate().map(|(at, (size, print))| atom(*size, at / 4, *print)).collect();
            let found = pack(&atoms, &(0..atoms.len()), |_| room, overlap.min(room / 2));
            prop_assert_eq!(found.first().unwrap().start, 0);
            prop_assert_eq!(found.last().unwrap().end, atoms.len());
            prop_assert!(found.windows(2).all(|pair| pair[1].start <= pair[0].end && pair[1].end > pair[0].end));
            let tokens = |range: &Range<usize>| sizes[range.clone()].iter().map(|(size, _)| size).sum::<usize>();
            prop_assert!(found.iter().all(|range| tokens(range) <= room));
        }
    }
}
