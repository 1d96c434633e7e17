//! The loops around the products: rounding, normalising, the gate of the feed-forward part, the exponential.

use super::{Block, GROUP, Kernel, multiply_add};
use crate::chat::{architecture::BLOCK, packed::LANES};

/// Rounds the row of one token into its slot of each block.
pub(super) struct Round<'a> {
    pub(super) row: &'a [f32],
    pub(super) slot: usize,
    pub(super) blocks: &'a mut [Block],
}

impl Kernel for Round<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (numbers, block) in self.row.as_chunks::<BLOCK>().0.iter().zip(self.blocks) {
            let mut largest = [0.0f32; LANES];
            for part in numbers.as_chunks::<LANES>().0 {
                for (largest, number) in largest.iter_mut().zip(part) {
                    *largest = largest.max(number.abs());
                }
            }
            let largest = largest.into_iter().fold(0.0f32, f32::max);
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            let steps = numbers.map(|number| step(number * inverse));
            let total: i32 = steps.iter().map(|step| i32::from(*step)).sum();
            let scale = largest / 127.0;
            let Block { words, scales, sums, offsets } = block;
            if let (Some(words), Some(slot), Some(sum), Some(offset)) = (
                words.get_mut(self.slot),
                scales.get_mut(self.slot),
                sums.get_mut(self.slot),
                offsets.get_mut(self.slot),
            ) {
                *slot = scale;
                *sum = scale * total as f32;
                *offset = -128 * total;
                for (word, steps) in words.iter_mut().zip(steps.as_chunks::<4>().0) {
                    *word = i32::from_le_bytes(steps.map(|step| step as u8));
                }
            }
        }
    }
}

/// Rounds a number within ±127 to the nearest integer. Adding 1.5 × 2^23 leaves the integer in the low bits, which
/// the compiler turns into vector code where it cannot for a saturating cast.
#[inline(always)]
fn step(number: f32) -> i8 {
    (number + SHIFT).to_bits() as i8
}

/// 1.5 × 2^23: above it a 32-bit float has no fraction bits left.
const SHIFT: f32 = 12_582_912.0;

/// Root-mean-square normalisation of one row, times the learnt weights.
pub(crate) struct Normalise<'a> {
    pub(crate) row: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) epsilon: f32,
    pub(crate) out: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let mut squares = [0.0f32; LANES];
        for part in self.row.as_chunks::<LANES>().0 {
            for (square, number) in squares.iter_mut().zip(part) {
                *square = multiply_add::<FUSED>(*number, *number, *square);
            }
        }
        let mean = squares.iter().sum::<f32>() / self.row.len() as f32;
        let factor = 1.0 / (mean + self.epsilon).sqrt();
        for ((out, number), weight) in self.out.iter_mut().zip(self.row).zip(self.weights) {
            *out = number * factor * weight;
        }
    }
}

/// `up * gate * sigmoid(gate)`, written over `gate`.
pub(crate) struct Gate<'a> {
    pub(crate) gate: &'a mut [f32],
    pub(crate) up: &'a [f32],
}

impl Kernel for Gate<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            *gate = *gate * up / (1.0 + exponential::<FUSED>(-*gate));
        }
    }
}

/// The exponential function, to 2 units in the last place between -87 and 88 and clamped outside: a polynomial
/// that compiles to vector code, where the library function is a call per number. The polynomial is the minimax
/// one of degree 5 for `(e^r - 1 - r) / r²` on ±ln(2)/2 known from Cephes' expf.
#[inline(always)]
pub(crate) fn exponential<const FUSED: bool>(number: f32) -> f32 {
    let number = number.clamp(-87.0, 88.0);
    let shifted = multiply_add::<FUSED>(number, std::f32::consts::LOG2_E, SHIFT);
    let whole = shifted - SHIFT;
    let rest = multiply_add::<FUSED>(whole, -0.693_359_4, number);
    let rest = multiply_add::<FUSED>(whole, 2.121_944_4e-4, rest);
    let mut sum = 1.987_569_1e-4;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        sum = multiply_add::<FUSED>(sum, rest, factor);
    }
    let fraction = multiply_add::<FUSED>(sum, rest * rest, rest + 1.0);
    fraction * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

// A group must fit the slots that `Round` fills.
const _: () = assert!(GROUP * BLOCK == 256);
