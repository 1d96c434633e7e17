//! Attention of each sequence to itself, softmax fused between the two products.

use super::{COLUMNS, Processor, ROWS, passes::Softmax};

/// Where queries, keys and values lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention {
    /// Numbers of one token in one of the three: heads times numbers per head.
    pub(crate) hidden: usize,
    /// How many heads share them. A head has a multiple of 32 numbers.
    pub(crate) heads: usize,
}

/// Memory for one sequence and one head, used again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Keys, eight side by side: one entry per number of a head, group after group.
    keys: Vec<[f32; ROWS]>,
    /// Values in panels of 32 numbers, one entry per key.
    values: Vec<[f32; COLUMNS]>,
    /// 32 queries side by side: one entry per number of a head.
    queries: Vec<[f32; COLUMNS]>,
    /// One row per key, one column per query.
    scores: Vec<[f32; COLUMNS]>,
    weights: Vec<[f32; ROWS]>,
}

/// Writes to `out` (rows of `hidden`) what the tokens of one sequence take from each other. `tokens` holds rows of
/// queries (already scaled), keys and values, `3 * hidden` long.
pub(crate) fn attend(processor: Processor, shape: Attention, tokens: &[f32], out: &mut [f32], scratch: &mut Scratch) {
    let length = out.len() / shape.hidden;
    let head = shape.hidden / shape.heads;
    for index in 0..shape.heads {
        let column = index * head;
        let rows = || tokens.chunks_exact(3 * shape.hidden);
        scratch.load_keys(rows().filter_map(|row| row.get(shape.hidden + column..)?.get(..head)), length, head);
        scratch.load_values(rows().filter_map(|row| row.get(2 * shape.hidden + column..)?.get(..head)), length, head);
        for first in (0..length).step_by(COLUMNS) {
            let queries = rows().skip(first).take(COLUMNS);
            scratch.load_queries(queries.filter_map(|row| row.get(column..column + head)), head);
            let out = out.get_mut(first * shape.hidden..).unwrap_or_default();
            scratch.attend(processor, length, head, (out, shape.hidden, column));
        }
    }
}

impl Scratch {
    fn load_keys<'a>(&mut self, keys: impl Iterator<Item = &'a [f32]>, length: usize, head: usize) {
        self.keys.clear();
        self.keys.resize(length.div_ceil(ROWS) * head, [0.0; ROWS]);
        for (index, key) in keys.enumerate() {
            let group = self.keys.iter_mut().skip(index / ROWS * head);
            for (slots, value) in group.zip(key) {
                slots.get_mut(index % ROWS).into_iter().for_each(|slot| *slot = *value);
            }
        }
    }

    fn load_values<'a>(&mut self, values: impl Iterator<Item = &'a [f32]>, length: usize, head: usize) {
        self.values.resize(length * head / COLUMNS, [0.0; COLUMNS]);
        for (index, value) in values.enumerate() {
            for (panel, part) in value.as_chunks::<COLUMNS>().0.iter().enumerate() {
                self.values.get_mut(panel * length + index).into_iter().for_each(|slot| *slot = *part);
            }
        }
    }

    fn load_queries<'a>(&mut self, queries: impl Iterator<Item = &'a [f32]>, head: usize) {
        self.queries.clear();
        self.queries.resize(head, [0.0; COLUMNS]);
        for (index, query) in queries.enumerate() {
            for (slots, value) in self.queries.iter_mut().zip(query) {
                slots.get_mut(index).into_iter().for_each(|slot| *slot = *value);
            }
        }
    }

    /// The loaded queries against all keys and values.
    fn attend(&mut self, processor: Processor, length: usize, head: usize, to: (&mut [f32], usize, usize)) {
        self.scores.resize(length.next_multiple_of(ROWS), [0.0; COLUMNS]);
        let groups = self.keys.chunks_exact(head);
        for (keys, tile) in groups.zip(self.scores.as_chunks_mut::<ROWS>().0) {
            processor.multiply(keys, &self.queries, tile);
        }
        self.weights.resize(length * COLUMNS / ROWS, [0.0; ROWS]);
        let scores = self.scores.get(..length).unwrap_or_default();
        let inverse = processor.run(Softmax { scores, weights: &mut self.weights });
        let (out, hidden, column) = to;
        let mut tile = [[0.0; COLUMNS]; ROWS];
        let groups = self.weights.chunks_exact(length).zip(inverse.as_chunks::<ROWS>().0);
        for ((weights, inverse), out) in groups.zip(out.chunks_mut(ROWS * hidden)) {
            for (panel, values) in self.values.chunks_exact(length).enumerate() {
                processor.multiply(weights, values, &mut tile);
                let place = column + panel * COLUMNS;
                for ((row, inverse), out) in tile.iter().zip(inverse).zip(out.chunks_exact_mut(hidden)) {
                    let out = out.get_mut(place..).unwrap_or_default();
                    out.iter_mut().zip(row).for_each(|(out, value)| *out = value * inverse);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attention as its definition says.
    fn slow(shape: Attention, tokens: &[f32]) -> Vec<f32> {
        let (hidden, head) = (shape.hidden, shape.hidden / shape.heads);
        let rows: Vec<&[f32]> = tokens.chunks(3 * hidden).collect();
        let mut out = Vec::new();
        for query in &rows {
            for column in (0..hidden).step_by(head) {
                let query = &query[column..column + head];
                let score =
                    |key: &&[f32]| query.iter().zip(&key[hidden + column..]).map(|(a, b)| a * b).sum::<f32>().exp();
                let scores: Vec<f32> = rows.iter().map(score).collect();
                let total: f32 = scores.iter().sum();
                out.extend((0..head).map(|number| {
                    let values = rows.iter().map(|row| row[2 * hidden + column + number]);
                    values.zip(&scores).map(|(value, score)| value * score / total).sum::<f32>()
                }));
            }
        }
        out
    }

    #[test]
    fn it_is_softmax_of_products_on_every_processor_and_at_every_length() {
        for (shape, length) in [(64, 2), (128, 2)]
            .into_iter()
            .flat_map(|(hidden, heads)| [1, 7, 8, 31, 33, 70].map(|length| (Attention { hidden, heads }, length)))
        {
            let tokens: Vec<f32> = (0..length * 3 * shape.hidden).map(|index| (index as f32 * 0.37).sin()).collect();
            let exact = slow(shape, &tokens);
            for processor in Processor::all() {
                let mut out = vec![9.0; length * shape.hidden];
                attend(processor, shape, &tokens, &mut out, &mut Scratch::default());
                for (ours, exact) in out.iter().zip(&exact) {
                    assert!((ours - exact).abs() < 1e-5, "{processor:?} {length} {ours} {exact}");
                }
            }
        }
    }
}
