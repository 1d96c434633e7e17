//! Attention with bfloat16 products, summed in 32 bits. Texts keep a cosine of 0.999996 to exact attention.

use super::Sequence;
use crate::kernels::{
    COLUMNS, PAIRS, ROWS,
    passes::{Exponentials, PairColumns, PairRows, Regroup, Transpose},
};

#[derive(Debug, Default)]
pub(super) struct Scratch {
    queries: Vec<[u32; PAIRS]>,
    /// Keys of all panels of a head, one panel after the other.
    keys: Vec<[u32; PAIRS]>,
    /// Values likewise, two keys an entry.
    values: Vec<[u32; COLUMNS]>,
    /// Exponentials of scores, two keys an entry, and the same in groups of eight queries.
    pairs: Vec<[u32; COLUMNS]>,
    weights: Vec<[u32; ROWS]>,
}

impl Sequence<'_> {
    /// One head; `out` has the sequence's rows.
    pub(super) fn attend_pairs(&self, head: usize, out: &mut [f32], scratch: &mut super::Scratch) {
        self.load(head, &mut scratch.pairs);
        for (block, out) in out.chunks_mut(COLUMNS * self.hidden).enumerate() {
            self.score(head, block, scratch);
            let super::Scratch { scores, pairs: Scratch { pairs, weights, values, .. }, .. } = scratch;
            let scores = scores.get_mut(..self.length).unwrap_or_default();
            let inverse = self.processor.run(Exponentials { scores });
            let each = self.length.div_ceil(2);
            pairs.resize(each, [0; COLUMNS]);
            self.processor.run(PairRows { rows: scores, out: pairs });
            weights.resize(each * COLUMNS / ROWS, [0; ROWS]);
            self.processor.run(Regroup { rows: pairs, out: weights });
            for (panel, values) in self.panels(head).zip(values.chunks_exact(each)) {
                self.gather(panel, &inverse, out, |group, tile| {
                    let weights = weights.chunks_exact(each).nth(group).unwrap_or_default();
                    self.processor.multiply_pairs(weights, values, tile);
                });
            }
        }
    }

    /// Fills keys and values with those of one head.
    fn load(&self, head: usize, scratch: &mut Scratch) {
        let panels = self.panels(head);
        let (keys, values) = (self.length.next_multiple_of(ROWS), self.length.div_ceil(2));
        scratch.keys.resize(keys * panels.len(), [0; PAIRS]);
        scratch.values.resize(values * panels.len(), [0; COLUMNS]);
        let places = scratch.keys.chunks_exact_mut(keys).zip(scratch.values.chunks_exact_mut(values));
        for (panel, (keys, values)) in panels.zip(places) {
            self.processor.run(PairColumns { rows: self.keys(panel), out: keys });
            self.processor.run(PairRows { rows: self.values(panel), out: values });
        }
    }

    /// Fills `scores` with the products of 32 queries and all keys.
    fn score(&self, head: usize, block: usize, scratch: &mut super::Scratch) {
        let super::Scratch { scores, pairs: Scratch { queries, keys, .. }, .. } = scratch;
        let length = self.length.next_multiple_of(ROWS);
        scores.clear();
        scores.resize(length, [0.0; COLUMNS]);
        for (panel, keys) in self.panels(head).zip(keys.chunks_exact(length)) {
            let rows = self.queries(panel, block);
            queries.resize(rows.len(), [0; PAIRS]);
            self.processor.run(PairColumns { rows, out: queries });
            let mut columns = [[0; COLUMNS]; PAIRS];
            self.processor.run(Transpose { rows: queries, out: &mut columns });
            for (keys, tile) in keys.as_chunks::<ROWS>().0.iter().zip(scores.as_chunks_mut::<ROWS>().0) {
                self.processor.multiply_pair_rows(keys, &columns, tile);
            }
        }
    }
}
