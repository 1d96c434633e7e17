//! The loops around the products: rounding, normalising, the gate of the feed-forward part, the exponential.

use super::{Block, GROUP, Kernel, Lanes, lanes::Plain, multiply_add};
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
    fn run<L: Lanes>(self) {
        for (numbers, block) in self.row.as_chunks::<BLOCK>().0.iter().zip(self.blocks) {
            let zero = L::splat(0.0);
            let parts = numbers.as_chunks::<LANES>().0.iter().map(L::load);
            let mut largest = [0.0f32; LANES];
            parts.clone().fold(zero, L::larger).store(&mut largest);
            let largest = largest.into_iter().fold(0.0f32, |most, number| if number > most { number } else { most });
            let inverse = L::splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
            let Block { words, scales, sums, offsets } = block;
            let place = words.get_mut(self.slot).zip(scales.get_mut(self.slot));
            let rest = sums.get_mut(self.slot).zip(offsets.get_mut(self.slot));
            let Some(((words, scale), (sum, offset))) = place.zip(rest) else { continue };
            let mut total = 0i32;
            for (words, part) in words.as_chunks_mut::<{ LANES / 4 }>().0.iter_mut().zip(parts) {
                let bytes = part.multiply_add(inverse, zero).bytes();
                total += bytes.iter().map(|step| i32::from(*step)).sum::<i32>();
                for (word, steps) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *word = i32::from_le_bytes(steps.map(|step| step as u8));
                }
            }
            *scale = largest / 127.0;
            *sum = *scale * total as f32;
            *offset = -128 * total;
        }
    }
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
    fn run<L: Lanes>(self) {
        let mut squares = [0.0f32; LANES];
        for part in self.row.as_chunks::<LANES>().0 {
            for (square, number) in squares.iter_mut().zip(part) {
                *square = multiply_add::<L>(*number, *number, *square);
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
    fn run<L: Lanes>(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            *gate = *gate * up / (1.0 + exponential::<L>(-*gate));
        }
    }
}

/// [`exponential`] outside a kernel.
#[inline]
pub(crate) fn exponential_of(number: f32) -> f32 {
    exponential::<Plain>(number)
}

/// The exponential function, to 2 units in the last place between -87 and 88 and clamped outside: a polynomial
/// that compiles to vector code, where the library function is a call per number. The polynomial is the minimax
/// one of degree 5 for `(e^r - 1 - r) / r²` on ±ln(2)/2 known from Cephes' expf.
#[inline(always)]
pub(crate) fn exponential<L: Lanes>(number: f32) -> f32 {
    let number = number.clamp(-87.0, 88.0);
    let shifted = multiply_add::<L>(number, std::f32::consts::LOG2_E, SHIFT);
    let whole = shifted - SHIFT;
    let rest = multiply_add::<L>(whole, -0.693_359_4, number);
    let rest = multiply_add::<L>(whole, 2.121_944_4e-4, rest);
    let mut sum = 1.987_569_1e-4;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        sum = multiply_add::<L>(sum, rest, factor);
    }
    let fraction = multiply_add::<L>(sum, rest * rest, rest + 1.0);
    fraction * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

// A group must fit the slots that `Round` fills.
const _: () = assert!(GROUP * BLOCK == 256);
