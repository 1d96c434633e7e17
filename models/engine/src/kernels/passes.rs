//! The loops between products, written once and compiled per instruction set.

use super::{
    BLOCK, COLUMNS, PAIRS, ROWS, Tile,
    linear::Activation,
    math::{ROUND, exponential, gelu, multiply_add},
    processor::{Kernel, WORDS},
};

/// Floats that are summed side by side: a register of AVX-512.
const LANES: usize = 16;

/// Scale and shift of a layer norm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// `rows = norm(rows + more)`, row by row; `more` may be empty.
pub(crate) struct AddNormalise<'a> {
    pub(crate) rows: &'a mut [f32],
    pub(crate) more: &'a [f32],
    pub(crate) norm: &'a Norm,
}

impl Kernel for AddNormalise<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let width = self.norm.scale.len();
        for (index, row) in self.rows.chunks_exact_mut(width).enumerate() {
            if let Some(more) = self.more.get(index * width..(index + 1) * width) {
                row.iter_mut().zip(more).for_each(|(value, more)| *value += more);
            }
            let mean = sum::<FUSED>(row, |value| value) / width as f32;
            let variance = sum::<FUSED>(row, |value| (value - mean) * (value - mean)) / width as f32;
            let scale = 1.0 / (variance + self.norm.epsilon).sqrt();
            let norm = self.norm.scale.iter().zip(&self.norm.shift);
            for (value, (weight, shift)) in row.iter_mut().zip(norm) {
                *value = multiply_add::<FUSED>((*value - mean) * scale, *weight, *shift);
            }
        }
    }
}

/// The sum of `f` over all values, in lanes.
#[inline(always)]
fn sum<const FUSED: bool>(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += f(*value));
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| f(*value)).sum::<f32>()
}

/// Adds the bias to a tile, applies the activation function and writes its rows to their places in a matrix.
pub(super) struct Finish<'a> {
    pub(super) tile: &'a Tile,
    pub(super) bias: &'a [f32; COLUMNS],
    pub(super) activation: Activation,
    /// Rows of the result from the tile's first row on, `stride` apart.
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    /// The tile's first column.
    pub(super) column: usize,
}

impl Kernel for Finish<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (row, out) in self.tile.iter().zip(self.out.chunks_mut(self.stride)) {
            let mut values = *row;
            values.iter_mut().zip(self.bias).for_each(|(value, bias)| *value += bias);
            if self.activation == Activation::Gelu {
                values.iter_mut().for_each(|value| *value = gelu::<FUSED>(*value));
            }
            let out = out.get_mut(self.column..).unwrap_or_default();
            if let Some((out, _)) = out.split_first_chunk_mut::<COLUMNS>() {
                *out = values;
            } else {
                out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
        }
    }
}

/// Adds the bias to a tile and writes its rows one after the other.
pub(super) struct FinishPanel<'a> {
    pub(super) tile: &'a Tile,
    pub(super) bias: &'a [f32; COLUMNS],
    pub(super) out: &'a mut [[f32; COLUMNS]],
}

impl Kernel for FinishPanel<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (row, out) in self.tile.iter().zip(self.out) {
            *out = *row;
            out.iter_mut().zip(self.bias).for_each(|(value, bias)| *value += bias);
        }
    }
}

/// Exchanges rows and columns of up to `N` rows.
pub(super) struct Transpose<'a, T, const N: usize> {
    pub(super) rows: &'a [[T; N]],
    pub(super) out: &'a mut [[T; COLUMNS]; N],
}

impl<T: Copy, const N: usize> Kernel for Transpose<'_, T, N> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (index, row) in self.rows.iter().enumerate().take(COLUMNS) {
            for (out, value) in self.out.iter_mut().zip(row) {
                if let Some(out) = out.get_mut(index) {
                    *out = *value;
                }
            }
        }
    }
}

/// Makes pairs of bfloat16 of the numbers of each row.
pub(super) struct PairColumns<'a> {
    pub(super) rows: &'a [[f32; COLUMNS]],
    pub(super) out: &'a mut [[u32; PAIRS]],
}

impl Kernel for PairColumns<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (row, out) in self.rows.iter().zip(self.out) {
            for ([first, second], out) in row.as_chunks::<2>().0.iter().zip(out) {
                *out = pair(*first, *second);
            }
        }
    }
}

/// Makes pairs of bfloat16 of each two rows; a last single row is paired with zeros.
pub(super) struct PairRows<'a> {
    pub(super) rows: &'a [[f32; COLUMNS]],
    pub(super) out: &'a mut [[u32; COLUMNS]],
}

impl Kernel for PairRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (pairs, last) = self.rows.as_chunks::<2>();
        let (out, out_last) = self.out.split_at_mut_checked(pairs.len()).unwrap_or_default();
        for ([first, second], out) in pairs.iter().zip(out) {
            for ((first, second), out) in first.iter().zip(second).zip(out) {
                *out = pair(*first, *second);
            }
        }
        for (first, out) in last.iter().zip(out_last) {
            for (first, out) in first.iter().zip(out) {
                *out = pair(*first, 0.0);
            }
        }
    }
}

/// Lays up to eight rows side by side.
pub(super) struct Interleave<'a> {
    /// The rows, one after the other, each `width` long.
    pub(super) rows: &'a [f32],
    pub(super) width: usize,
    /// One entry per column; rows that are missing stay as they are.
    pub(super) out: &'a mut [[f32; ROWS]],
}

impl Kernel for Interleave<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (slot, row) in self.rows.chunks_exact(self.width).enumerate().take(ROWS) {
            for (out, value) in self.out.iter_mut().zip(row) {
                if let Some(out) = out.get_mut(slot) {
                    *out = *value;
                }
            }
        }
    }
}

/// Lays up to eight rows side by side as pairs of bfloat16.
pub(super) struct Pair<'a> {
    pub(super) rows: &'a [f32],
    pub(super) width: usize,
    pub(super) out: &'a mut [[u32; ROWS]],
}

/// The nearest bfloat16, ties to even, in the upper half of the word.
#[inline(always)]
pub(super) fn bfloat(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) & 0xFFFF_0000
}

/// Two floats as bfloat16, the first in the lower half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> u32 {
    (bfloat(first) >> 16) | bfloat(second)
}

impl Kernel for Pair<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (slot, row) in self.rows.chunks_exact(self.width).enumerate().take(ROWS) {
            for (out, [first, second]) in self.out.iter_mut().zip(row.as_chunks::<2>().0) {
                if let Some(out) = out.get_mut(slot) {
                    *out = pair(*first, *second);
                }
            }
        }
    }
}

/// Rounds up to eight rows to bytes, each block of 32 columns with its own step, and lays them side by side.
pub(crate) struct Round<'a> {
    pub(super) rows: &'a [f32],
    pub(super) width: usize,
    pub(super) words: &'a mut [[u32; ROWS]],
    pub(super) scales: &'a mut [[f32; ROWS]],
    pub(super) offsets: &'a mut [[i32; ROWS]],
}

impl Kernel for Round<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (slot, row) in self.rows.chunks_exact(self.width).enumerate().take(ROWS) {
            let words = self.words.as_chunks_mut::<WORDS>().0.iter_mut();
            let blocks = words.zip(self.scales.iter_mut()).zip(self.offsets.iter_mut());
            for (block, ((words, scales), offsets)) in row.as_chunks::<BLOCK>().0.iter().zip(blocks) {
                let (rounded, scale, sum) = round_block(block);
                for (word, out) in rounded.iter().zip(words) {
                    out.get_mut(slot).into_iter().for_each(|out| *out = *word);
                }
                scales.get_mut(slot).into_iter().for_each(|out| *out = scale);
                offsets.get_mut(slot).into_iter().for_each(|out| *out = -8 * sum);
            }
        }
    }
}

/// The block in steps of a 127th of its largest value, four bytes a word; the step; the sum of the bytes.
#[inline(always)]
fn round_block(block: &[f32; BLOCK]) -> ([u32; WORDS], f32, i32) {
    // Floats without their sign are ordered as integers are, and integers have a maximum without special cases.
    let largest = block.iter().map(|value| value.to_bits() & 0x7FFF_FFFF).max().unwrap_or(0);
    let largest = f32::from_bits(largest);
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let mut steps = [0_i32; BLOCK];
    for (step, value) in steps.iter_mut().zip(block) {
        // The lowest bits of the shifted float are the rounded number.
        *step = (value * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    }
    let sum = steps.iter().sum();
    let mut words = [0_u32; WORDS];
    for (word, steps) in words.iter_mut().zip(steps.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(steps.map(|step| step as u8));
    }
    (words, largest / 127.0, sum)
}

/// e^(score - largest) for each column of scores, in place; the result holds one over their sums. Softmax is the
/// product of the two.
pub(super) struct Exponentials<'a> {
    pub(super) scores: &'a mut [[f32; COLUMNS]],
}

impl Kernel for Exponentials<'_> {
    type Out = [f32; COLUMNS];

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> [f32; COLUMNS] {
        let mut largest = [f32::MIN; COLUMNS];
        for row in self.scores.iter() {
            // No score is NaN: a comparison does, and is a single instruction.
            let columns = largest.iter_mut().zip(row);
            columns.for_each(|(largest, score)| *largest = if *score > *largest { *score } else { *largest });
        }
        let mut sums = [0.0_f32; COLUMNS];
        for row in self.scores.iter_mut() {
            for ((score, sum), largest) in row.iter_mut().zip(&mut sums).zip(&largest) {
                *score = exponential::<FUSED>(*score - largest);
                *sum += *score;
            }
        }
        sums.map(|sum| 1.0 / sum)
    }
}

/// Lays the rows of each eight columns one after the other: `COLUMNS / ROWS` groups, each as long as `rows`.
pub(super) struct Regroup<'a, T> {
    pub(super) rows: &'a [[T; COLUMNS]],
    pub(super) out: &'a mut [[T; ROWS]],
}

impl<T: Copy> Kernel for Regroup<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (group, out) in self.out.chunks_exact_mut(self.rows.len()).enumerate() {
            for (row, out) in self.rows.iter().zip(out) {
                if let Some(part) = row.as_chunks::<ROWS>().0.get(group) {
                    *out = *part;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Processor;

    fn wave(count: usize) -> Vec<f32> {
        (0..count).map(|index| (index as f32 * 0.7).sin() * 3.0).collect()
    }

    #[test]
    fn a_normalised_row_has_mean_zero_and_variance_one() {
        let width = 50; // no multiple of the lanes
        let norm = Norm { scale: vec![1.0; width], shift: vec![0.0; width], epsilon: 1e-12 };
        for processor in Processor::all() {
            let (mut rows, more) = (wave(2 * width), wave(2 * width));
            processor.run(AddNormalise { rows: &mut rows, more: &more, norm: &norm });
            for row in rows.chunks(width) {
                let mean = row.iter().sum::<f32>() / width as f32;
                let variance = row.iter().map(|value| value * value).sum::<f32>() / width as f32;
                assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
            }
        }
    }

    #[test]
    fn rounded_blocks_are_within_half_a_step() {
        let row = wave(BLOCK * 3);
        for processor in Processor::all() {
            let (mut words, mut scales) = (vec![[0; ROWS]; WORDS * 3], vec![[0.0; ROWS]; 3]);
            let mut offsets = vec![[0; ROWS]; 3];
            // Eight rows, what the fast form takes; the second is all zero.
            let rows = [row.as_slice(), &[0.0; BLOCK * 3], &wave(BLOCK * 18)].concat();
            processor.round(Round {
                rows: &rows,
                width: row.len(),
                words: &mut words,
                scales: &mut scales,
                offsets: &mut offsets,
            });
            let bytes = words.iter().flat_map(|word| word[0].to_le_bytes()).map(|byte| byte as i8);
            for (index, (byte, value)) in bytes.clone().zip(&row).enumerate() {
                let scale = scales[index / BLOCK][0];
                assert!((f32::from(byte) * scale - value).abs() <= scale * 0.501, "{byte} {value}");
            }
            let sum: i32 = bytes.take(BLOCK).map(i32::from).sum();
            assert_eq!((offsets[0][0], offsets[0][1], scales[0][1]), (-8 * sum, 0, 0.0));
        }
    }

    /// A row is rounded with whatever neighbours its batch gives it, by the fast form or the plain one.
    #[test]
    fn a_row_is_rounded_alike_on_every_processor_and_with_any_neighbours() {
        let (width, count) = (BLOCK * 4, 24);
        let numbers: Vec<f32> = wave(width * count).iter().map(|value| value * value * value * 3.7).collect();
        let rounded = |processor: Processor, rows: &[f32]| {
            let (mut words, mut scales) = (vec![[0; ROWS]; WORDS * 4], vec![[0.0; ROWS]; 4]);
            let mut offsets = vec![[0; ROWS]; 4];
            let (words_to, scales_to, offsets_to) = (&mut words, &mut scales, &mut offsets);
            processor.round(Round { rows, width, words: words_to, scales: scales_to, offsets: offsets_to });
            (words, scales, offsets)
        };
        for rows in numbers.chunks(width * ROWS) {
            let (words, scales, offsets) = rounded(Processor::portable(), rows);
            for processor in Processor::all() {
                assert_eq!(rounded(processor, rows), (words.clone(), scales.clone(), offsets.clone()));
                let alone = rounded(processor, &rows[..width]);
                assert!(alone.0.iter().zip(&words).all(|(alone, all)| alone[0] == all[0]));
                assert!(alone.1.iter().zip(&scales).all(|(alone, all)| alone[0] == all[0]));
                assert!(alone.2.iter().zip(&offsets).all(|(alone, all)| alone[0] == all[0]));
            }
        }
    }

    #[test]
    fn exponentials_times_the_inverse_sum_to_one() {
        let scores = wave(COLUMNS * 5);
        let scores = scores.as_chunks::<COLUMNS>().0;
        for processor in Processor::all() {
            let mut weights = scores.to_vec();
            let inverse = processor.run(Exponentials { scores: &mut weights });
            for (column, inverse) in inverse.iter().enumerate() {
                let total: f32 = weights.iter().map(|row| row[column]).sum();
                assert!((total * inverse - 1.0).abs() < 1e-6);
                let ratio = weights[1][column] / weights[0][column];
                assert!((ratio - (scores[1][column] - scores[0][column]).exp()).abs() < 1e-4 * (1.0 + ratio));
            }
        }
    }

    #[test]
    fn rows_and_columns_are_laid_out_as_said() {
        let rows: Vec<[u32; COLUMNS]> =
            (0..3).map(|row| std::array::from_fn(|column| row * 100 + column as u32)).collect();
        let mut square = [[9; COLUMNS]; COLUMNS];
        let mut groups = vec![[0; ROWS]; 3 * COLUMNS / ROWS];
        let processor = Processor::detect();
        processor.run(Transpose { rows: &rows, out: &mut square });
        assert_eq!((square[31][2], square[0][1], square[5][3]), (231, 100, 9));
        processor.run(Regroup { rows: &rows, out: &mut groups });
        assert_eq!((groups[0][7], groups[1][0], groups[3][0], groups[11][7]), (7, 100, 8, 231));
        let floats = [[1.0; COLUMNS], [2.0; COLUMNS], [3.0; COLUMNS]];
        let (mut by_row, mut by_column) = ([[0; COLUMNS]; 2], [[0; PAIRS]; 3]);
        processor.run(PairRows { rows: &floats, out: &mut by_row });
        processor.run(PairColumns { rows: &floats, out: &mut by_column });
        assert_eq!((by_row[0][31], by_row[1][0]), (pair(1.0, 2.0), pair(3.0, 0.0)));
        assert_eq!(by_column[2][15], pair(3.0, 3.0));
    }

    #[test]
    fn bfloat_rounds_to_nearest() {
        assert_eq!(f32::from_bits(bfloat(1.0)), 1.0);
        assert_eq!(f32::from_bits(bfloat(1.003_91)), 1.007_812_5);
        assert_eq!(f32::from_bits(bfloat(-1.003)), -1.0);
        assert_eq!(pair(1.0, 2.0), 0x4000_3F80);
    }
}
