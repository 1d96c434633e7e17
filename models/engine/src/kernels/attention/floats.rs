//! Attention with 32-bit floats.

use super::Sequence;
use crate::kernels::{
    COLUMNS, ROWS, Square,
    passes::{Exponentials, Regroup, Transpose},
};

#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Weights of keys: groups of eight queries, each with an entry per key.
    weights: Vec<[f32; ROWS]>,
}

impl Sequence<'_> {
    /// One head; `out` has the sequence's rows.
    pub(super) fn attend_floats(&self, head: usize, out: &mut [f32], scratch: &mut super::Scratch) {
        let super::Scratch { scores, floats: Scratch { weights }, .. } = scratch;
        for (block, out) in out.chunks_mut(COLUMNS * self.hidden).enumerate() {
            scores.clear();
            scores.resize(self.length.next_multiple_of(ROWS), [0.0; COLUMNS]);
            for panel in self.panels(head) {
                let mut queries: Square = [[0.0; COLUMNS]; COLUMNS];
                self.processor.run(Transpose { rows: self.queries(panel, block), out: &mut queries });
                let keys = self.keys(panel).as_chunks::<ROWS>().0;
                for (keys, tile) in keys.iter().zip(scores.as_chunks_mut::<ROWS>().0) {
                    self.processor.multiply_rows(keys, &queries, tile);
                }
            }
            let scores = scores.get_mut(..self.length).unwrap_or_default();
            let inverse = self.processor.run(Exponentials { scores });
            weights.resize(self.length * COLUMNS / ROWS, [0.0; ROWS]);
            self.processor.run(Regroup { rows: scores, out: weights });
            for panel in self.panels(head) {
                self.gather(panel, &inverse, out, |group, tile| {
                    let weights = weights.chunks_exact(self.length).nth(group).unwrap_or_default();
                    self.processor.multiply(weights, self.values(panel), tile);
                });
            }
        }
    }
}
