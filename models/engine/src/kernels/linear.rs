//! Linear layers: weights packed once at load, activations packed once per layer.

use half::f16;

use super::{
    BLOCK, COLUMNS, Processor, ROWS,
    passes::{Finish, FinishPanel, Interleave, Pair, Round, pair},
    processor::{Nibbles, Quads, WORDS},
};

/// Weights as a file holds them: `outputs` rows of `inputs` numbers.
#[derive(Debug, Clone)]
pub(crate) enum Matrix {
    /// Plain floats.
    Floats(Vec<f32>),
    /// Blocks of 32 numbers in 18 bytes: a half-precision step, then 16 bytes whose low nibbles are numbers 0 to 15
    /// and whose high nibbles are 16 to 31, each 8 too large (the layout that GGUF calls `Q4_0`).
    Nibbles(Vec<u8>),
}

/// Bytes of a block of 4-bit weights.
pub(crate) const BLOCK_BYTES: usize = 18;

/// Scale and nibbles of a block.
fn block_of(bytes: &[u8]) -> (f32, impl Iterator<Item = u8> + Clone + '_) {
    let (scale, nibbles) = bytes.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
    let low = nibbles.iter().map(|byte| byte & 15);
    (f16::from_le_bytes(*scale).to_f32(), low.chain(nibbles.iter().map(|byte| byte >> 4)))
}

/// The numbers that some blocks of 4-bit weights stand for.
pub(crate) fn floats_of(blocks: &[u8]) -> impl Iterator<Item = f32> + '_ {
    blocks.chunks_exact(BLOCK_BYTES).flat_map(|block| {
        let (scale, nibbles) = block_of(block);
        nibbles.map(move |nibble| (f32::from(nibble) - 8.0) * scale)
    })
}

/// One of the matrices that are stacked to a layer.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) matrix: &'a Matrix,
    pub(crate) bias: &'a [f32],
    /// Multiplies weights and bias.
    pub(crate) factor: f32,
}

/// How activations must be prepared for a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Floats,
    /// As bfloat16.
    Pairs,
    /// Rounded to bytes.
    Bytes,
}

/// What happens to the result of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// BERT's GELU.
    Gelu,
}

/// Weights in panels of 32 outputs; inside a panel, inputs one after the other.
#[derive(Debug)]
enum Packed {
    Floats(Vec<[f32; COLUMNS]>),
    Pairs(Vec<[u32; COLUMNS]>),
    Nibbles { words: Vec<[u32; COLUMNS]>, scales: Vec<[f32; COLUMNS]> },
}

/// A linear layer.
#[derive(Debug)]
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    packed: Packed,
    /// One entry per panel.
    bias: Vec<[f32; COLUMNS]>,
}

impl Linear {
    /// Packs matrices with the same number of inputs, stacked, in the form that `processor` multiplies fastest.
    /// `inputs` is a multiple of 32.
    pub(crate) fn pack(processor: Processor, inputs: usize, parts: &[Part<'_>]) -> Self {
        let biases = parts.iter().flat_map(|part| part.bias.iter().map(|value| value * part.factor));
        let biases: Vec<f32> = biases.collect();
        let outputs = biases.len();
        let mut bias = vec![[0.0; COLUMNS]; outputs.div_ceil(COLUMNS)];
        bias.as_flattened_mut().iter_mut().zip(biases).for_each(|(slot, value)| *slot = value);
        let all_nibbles = parts.iter().all(|part| matches!(part.matrix, Matrix::Nibbles(_)));
        let packed = match (all_nibbles && processor.has_bytes(), processor.has_pairs()) {
            (true, _) => pack_nibbles(inputs, outputs, parts),
            (_, true) => pack_pairs(inputs, outputs, parts),
            _ => pack_floats(inputs, outputs, parts),
        };
        Self { inputs, outputs, packed, bias }
    }

    /// How activations for this layer are prepared.
    pub(crate) fn form(&self) -> Form {
        match self.packed {
            Packed::Floats(_) => Form::Floats,
            Packed::Pairs(_) => Form::Pairs,
            Packed::Nibbles { .. } => Form::Bytes,
        }
    }

    /// Numbers in a row of the result.
    #[cfg(test)]
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Multiplies the prepared rows; `out` has one row of `outputs` for each.
    pub(crate) fn apply(&self, processor: Processor, input: &Prepared, activation: Activation, out: &mut [f32]) {
        let mut tile = [[0.0; COLUMNS]; ROWS];
        for (panel, bias) in self.bias.iter().enumerate() {
            for (group, out) in out.chunks_mut(ROWS * self.outputs).enumerate() {
                self.multiply(processor, input, panel, group, &mut tile);
                let (tile, stride, column) = (&tile, self.outputs, panel * COLUMNS);
                processor.run(Finish { tile, bias, activation, out, stride, column });
            }
        }
    }

    /// Multiplies the prepared rows; `out` has `rows` entries for the first 32 columns, then as many for the next.
    pub(crate) fn apply_panels(&self, processor: Processor, input: &Prepared, rows: usize, out: &mut [[f32; COLUMNS]]) {
        let mut tile = [[0.0; COLUMNS]; ROWS];
        for (panel, (bias, out)) in self.bias.iter().zip(out.chunks_mut(rows)).enumerate() {
            for (group, out) in out.chunks_mut(ROWS).enumerate().take(input.groups) {
                self.multiply(processor, input, panel, group, &mut tile);
                processor.run(FinishPanel { tile: &tile, bias, out });
            }
        }
    }

    fn multiply(
        &self,
        processor: Processor,
        input: &Prepared,
        panel: usize,
        group: usize,
        tile: &mut [[f32; COLUMNS]; ROWS],
    ) {
        let k = self.inputs;
        match &self.packed {
            Packed::Floats(weights) => processor.multiply(part(&input.floats, group, k), part(weights, panel, k), tile),
            Packed::Pairs(weights) => {
                let k = k / 2;
                processor.multiply_pairs(part(&input.words, group, k), part(weights, panel, k), tile);
            }
            Packed::Nibbles { words, scales } => {
                let (words_each, blocks) = (k / 4, k / BLOCK);
                let a = Quads {
                    words: part(&input.words, group, words_each),
                    scales: part(&input.scales, group, blocks),
                    offsets: part(&input.offsets, group, blocks),
                };
                let b = Nibbles { words: part(words, panel, words_each), scales: part(scales, panel, blocks) };
                processor.multiply_bytes(a, b, tile);
            }
        }
    }
}

/// The `index`th run of `length` entries.
#[inline]
fn part<T>(values: &[T], index: usize, length: usize) -> &[T] {
    values.get(index * length..(index + 1) * length).unwrap_or_default()
}

/// The rows of all parts, as floats.
fn float_rows<'a>(inputs: usize, parts: &'a [Part<'a>]) -> impl Iterator<Item = Vec<f32>> + 'a {
    parts.iter().flat_map(move |part| {
        let rows: Box<dyn Iterator<Item = Vec<f32>>> = match part.matrix {
            Matrix::Floats(floats) => Box::new(floats.chunks_exact(inputs).map(<[f32]>::to_vec)),
            Matrix::Nibbles(bytes) => {
                let rows = bytes.chunks_exact(inputs / BLOCK * BLOCK_BYTES);
                Box::new(rows.map(|row| floats_of(row).collect()))
            }
        };
        rows.map(|mut row| {
            row.iter_mut().for_each(|value| *value *= part.factor);
            row
        })
    })
}

/// Writes a row of `each` entries into column `output` of its panel.
fn place<T: Copy>(panels: &mut [[T; COLUMNS]], each: usize, output: usize, row: impl Iterator<Item = T>) {
    let panel = panels.iter_mut().skip(output / COLUMNS * each);
    for (slots, value) in panel.zip(row) {
        slots.get_mut(output % COLUMNS).into_iter().for_each(|slot| *slot = value);
    }
}

fn pack_floats(inputs: usize, outputs: usize, parts: &[Part<'_>]) -> Packed {
    let mut panels = vec![[0.0; COLUMNS]; outputs.div_ceil(COLUMNS) * inputs];
    for (output, row) in float_rows(inputs, parts).enumerate() {
        place(&mut panels, inputs, output, row.into_iter());
    }
    Packed::Floats(panels)
}

fn pack_pairs(inputs: usize, outputs: usize, parts: &[Part<'_>]) -> Packed {
    let each = inputs / 2;
    let mut panels = vec![[0; COLUMNS]; outputs.div_ceil(COLUMNS) * each];
    for (output, row) in float_rows(inputs, parts).enumerate() {
        let pairs = row.as_chunks::<2>().0.iter().map(|[first, second]| pair(*first, *second));
        place(&mut panels, each, output, pairs);
    }
    Packed::Pairs(panels)
}

fn pack_nibbles(inputs: usize, outputs: usize, parts: &[Part<'_>]) -> Packed {
    let blocks = inputs / BLOCK;
    let panels = outputs.div_ceil(COLUMNS);
    let mut words = vec![[0; COLUMNS]; panels * blocks * WORDS];
    let mut scales = vec![[0.0; COLUMNS]; panels * blocks];
    let rows = parts.iter().flat_map(|part| {
        let bytes: &[u8] = if let Matrix::Nibbles(bytes) = part.matrix { bytes } else { &[] };
        bytes.chunks_exact(blocks * BLOCK_BYTES).map(|row| (row, part.factor))
    });
    for (output, (row, factor)) in rows.enumerate() {
        let blocks_of_row = row.chunks_exact(BLOCK_BYTES).map(block_of);
        place(&mut scales, blocks, output, blocks_of_row.clone().map(|(scale, _)| scale * factor));
        let nibbles: Vec<u8> = blocks_of_row.flat_map(|(_, nibbles)| nibbles).collect();
        let quads = nibbles.as_chunks::<4>().0.iter().map(|quad| u32::from_le_bytes(*quad));
        place(&mut words, blocks * WORDS, output, quads);
    }
    Packed::Nibbles { words, scales }
}

/// Activations in the form that a layer reads: groups of eight rows, side by side. Kept and used again.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    groups: usize,
    floats: Vec<[f32; ROWS]>,
    words: Vec<[u32; ROWS]>,
    scales: Vec<[f32; ROWS]>,
    offsets: Vec<[i32; ROWS]>,
}

impl Prepared {
    /// Prepares `rows`, each `width` numbers long.
    pub(crate) fn fill(&mut self, processor: Processor, form: Form, rows: &[f32], width: usize) {
        let groups = rows.len() / width;
        let groups = groups.div_ceil(ROWS);
        self.groups = groups;
        let groups_of_rows = rows.chunks(ROWS * width);
        match form {
            Form::Floats => {
                self.floats.resize(groups * width, [0.0; ROWS]);
                for (rows, out) in groups_of_rows.zip(self.floats.chunks_exact_mut(width)) {
                    processor.run(Interleave { rows, width, out });
                }
            }
            Form::Pairs => {
                self.words.resize(groups * width / 2, [0; ROWS]);
                for (rows, out) in groups_of_rows.zip(self.words.chunks_exact_mut(width / 2)) {
                    processor.run(Pair { rows, width, out });
                }
            }
            Form::Bytes => self.fill_bytes(processor, rows, width, groups),
        }
    }

    fn fill_bytes(&mut self, processor: Processor, rows: &[f32], width: usize, groups: usize) {
        let blocks = width / BLOCK;
        self.words.resize(groups * width / 4, [0; ROWS]);
        self.scales.resize(groups * blocks, [0.0; ROWS]);
        self.offsets.resize(groups * blocks, [0; ROWS]);
        let words = self.words.chunks_exact_mut(width / 4);
        let steps = self.scales.chunks_exact_mut(blocks).zip(self.offsets.chunks_exact_mut(blocks));
        for (rows, (words, (scales, offsets))) in rows.chunks(ROWS * width).zip(words.zip(steps)) {
            processor.round(Round { rows, width, words, scales, offsets });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, speed: f32) -> Vec<f32> {
        (0..count).map(|index| (index as f32 * speed).sin()).collect()
    }

    /// 4-bit blocks of some numbers, the scale taken from the largest.
    fn nibbles(values: &[f32]) -> Vec<u8> {
        let block = |block: &[f32]| {
            let scale = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs())) / 7.0;
            let step = |value: f32| ((value / scale).round() + 8.0).clamp(0.0, 15.0) as u8;
            let pairs = block[..16].iter().zip(&block[16..]);
            let bytes: Vec<u8> = pairs.map(|(low, high)| step(*low) | (step(*high) << 4)).collect();
            [f16::from_f32(scale).to_le_bytes().to_vec(), bytes].concat()
        };
        values.chunks(BLOCK).flat_map(block).collect()
    }

    fn apply(processor: Processor, matrix: &Matrix, rows: &[f32]) -> Vec<f32> {
        let bias = wave(40, 0.9);
        let (inputs, parts) =
            (64, [Part { matrix, bias: &bias, factor: 0.5 }, Part { matrix, bias: &bias, factor: 1.0 }]);
        let linear = Linear::pack(processor, inputs, &parts);
        assert_eq!(linear.outputs(), 80);
        let mut prepared = Prepared::default();
        prepared.fill(processor, linear.form(), rows, inputs);
        let mut out = vec![0.0; rows.len() / inputs * 80];
        linear.apply(processor, &prepared, Activation::None, &mut out);
        out
    }

    fn exact(weights: &[f32], rows: &[f32]) -> Vec<f32> {
        let bias = wave(40, 0.9);
        let dot = |row: &[f32], weights: &[f32]| row.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>();
        let mut out = Vec::new();
        for row in rows.chunks(64) {
            for factor in [0.5, 1.0] {
                out.extend(weights.chunks(64).zip(&bias).map(|(weights, bias)| (dot(row, weights) + bias) * factor));
            }
        }
        out
    }

    #[test]
    fn stacked_layers_give_the_same_on_every_processor() {
        let (weights, rows) = (wave(40 * 64, 0.37), wave(13 * 64, 0.11));
        let exact = exact(&weights, &rows);
        for processor in Processor::all() {
            // bfloat16 has 8 bits: half a step of each of 64 products.
            let tolerance = if processor.has_pairs() { 0.06 } else { 1e-4 };
            let ours = apply(processor, &Matrix::Floats(weights.clone()), &rows);
            for (ours, exact) in ours.iter().zip(&exact) {
                assert!((ours - exact).abs() < tolerance, "{processor:?} {ours} {exact}");
            }
        }
    }

    #[test]
    fn nibbles_give_the_same_as_the_floats_they_stand_for() {
        let rows = wave(13 * 64, 0.11);
        let blocks = nibbles(&wave(40 * 64, 0.37));
        let exact = exact(&floats_of(&blocks).collect::<Vec<_>>(), &rows);
        for processor in Processor::all() {
            let tolerance = if processor.has_bytes() { 0.1 } else { 1e-4 };
            let ours = apply(processor, &Matrix::Nibbles(blocks.clone()), &rows);
            for (ours, exact) in ours.iter().zip(&exact) {
                assert!((ours - exact).abs() < tolerance, "{processor:?} {ours} {exact}");
            }
        }
    }
}
