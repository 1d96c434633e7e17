//! Attention of each sequence to itself, softmax fused between the two products.

mod floats;
mod pairs;

use std::ops::Range;

use super::{COLUMNS, Processor, ROWS};

/// Queries (already scaled), keys and values of the tokens of a batch: for each 32 numbers of a token one panel with an
/// entry per token, first the panels of all queries, then those of all keys, then those of all values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention<'a> {
    pub(crate) panels: &'a [[f32; COLUMNS]],
    /// Entries of a panel: at least seven more than there are tokens, because keys are read in groups of eight.
    pub(crate) rows: usize,
    /// Heads that share a token's numbers; each has a multiple of 32.
    pub(crate) heads: usize,
}

/// Memory that is used again for every sequence.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// One row per key, one column per query.
    scores: Vec<[f32; COLUMNS]>,
    floats: floats::Scratch,
    pairs: pairs::Scratch,
}

impl<'a> Attention<'a> {
    /// Panels of one of queries, keys and values.
    fn panels_each(&self) -> usize {
        self.panels.len() / self.rows / 3
    }

    fn panel(&self, index: usize, first: usize, count: usize) -> &'a [[f32; COLUMNS]] {
        let begin = index * self.rows + first;
        self.panels.get(begin..begin + count).unwrap_or_default()
    }

    /// Writes to `out` (rows of all heads' numbers) what the tokens of the sequence that begins at token `first` take
    /// from each other.
    pub(crate) fn attend(&self, processor: Processor, first: usize, out: &mut [f32], scratch: &mut Scratch) {
        let hidden = self.panels_each() * COLUMNS;
        let sequence = Sequence { attention: self, processor, first, length: out.len() / hidden, hidden };
        for head in 0..self.heads {
            if processor.has_pairs() {
                sequence.attend_pairs(head, out, scratch);
            } else {
                sequence.attend_floats(head, out, scratch);
            }
        }
    }
}

/// One sequence of a batch.
struct Sequence<'a> {
    attention: &'a Attention<'a>,
    processor: Processor,
    first: usize,
    length: usize,
    hidden: usize,
}

impl<'a> Sequence<'a> {
    /// Which panels of queries a head has.
    fn panels(&self, head: usize) -> Range<usize> {
        let each = self.attention.panels_each() / self.attention.heads;
        head * each..(head + 1) * each
    }

    /// 32 of the queries, or what is left of them.
    fn queries(&self, panel: usize, block: usize) -> &'a [[f32; COLUMNS]] {
        let begin = block * COLUMNS;
        self.attention.panel(panel, self.first + begin, (self.length - begin).min(COLUMNS))
    }

    /// All keys, up to a multiple of eight.
    fn keys(&self, panel: usize) -> &'a [[f32; COLUMNS]] {
        let count = self.length.next_multiple_of(ROWS);
        self.attention.panel(self.attention.panels_each() + panel, self.first, count)
    }

    fn values(&self, panel: usize) -> &'a [[f32; COLUMNS]] {
        self.attention.panel(2 * self.attention.panels_each() + panel, self.first, self.length)
    }

    /// Writes one panel of the weighted sums of values: `multiply` fills a tile for the given group of eight queries.
    fn gather(
        &self,
        panel: usize,
        inverse: &[f32; COLUMNS],
        out: &mut [f32],
        mut multiply: impl FnMut(usize, &mut [[f32; COLUMNS]; ROWS]),
    ) {
        let mut tile = [[0.0; COLUMNS]; ROWS];
        let groups = inverse.as_chunks::<ROWS>().0.iter().zip(out.chunks_mut(ROWS * self.hidden));
        for (group, (inverse, out)) in groups.enumerate() {
            multiply(group, &mut tile);
            for ((row, inverse), out) in tile.iter().zip(inverse).zip(out.chunks_exact_mut(self.hidden)) {
                let out = out.get_mut(panel * COLUMNS..).unwrap_or_default();
                out.iter_mut().zip(row).for_each(|(out, value)| *out = value * inverse);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(panel: usize, token: usize, column: usize) -> f32 {
        ((panel * 7919 + token * 131 + column * 17) as f32 * 0.37).sin()
    }

    /// Attention as its definition says.
    fn slow(heads: usize, each: usize, length: usize) -> Vec<f32> {
        let head = each / heads * COLUMNS;
        let at =
            |kind: usize, token: usize, index: usize| number(kind * each + index / COLUMNS, token, index % COLUMNS);
        let mut out = Vec::new();
        for query in 0..length {
            for begin in (0..each * COLUMNS).step_by(head) {
                let score =
                    |key| (begin..begin + head).map(|index| at(0, query, index) * at(1, key, index)).sum::<f32>();
                let scores: Vec<f32> = (0..length).map(|key| score(key).exp()).collect();
                let total: f32 = scores.iter().sum();
                let value = |index| (0..length).map(|key| scores[key] * at(2, key, index)).sum::<f32>() / total;
                out.extend((begin..begin + head).map(value));
            }
        }
        out
    }

    #[test]
    fn it_is_softmax_of_products_on_every_processor_and_at_every_length() {
        let before = 3; // tokens of another sequence
        for (heads, each) in [(2, 2), (1, 2)] {
            for length in [1, 7, 8, 31, 33, 70] {
                let rows = before + length + 7;
                let row = |index: usize| {
                    let token = (index % rows).wrapping_sub(before);
                    std::array::from_fn(|column| number(index / rows, token.min(9999), column))
                };
                let panels: Vec<[f32; COLUMNS]> = (0..3 * each * rows).map(row).collect();
                let exact = slow(heads, each, length);
                for processor in Processor::all() {
                    // bfloat16 keeps eight bits of queries, keys, weights and values.
                    let tolerance = if processor.has_pairs() { 0.02 } else { 1e-5 };
                    let mut out = vec![9.0; length * each * COLUMNS];
                    let attention = Attention { panels: &panels, rows, heads };
                    attention.attend(processor, before, &mut out, &mut Scratch::default());
                    for (ours, exact) in out.iter().zip(&exact) {
                        assert!((ours - exact).abs() < tolerance, "{processor:?} {length} {ours} {exact}");
                    }
                }
            }
        }
    }
}
