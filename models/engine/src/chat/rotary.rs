//! Rotary position embedding: queries and keys are turned by angles that grow with their position.

use super::architecture::{Pairs, Rotation};

/// Sines and cosines of all positions a sequence may have.
#[derive(Debug)]
pub(crate) struct Angles {
    /// For each position, cosine and sine of each pair.
    table: Vec<(f32, f32)>,
    pairs: Pairs,
    size: usize,
}

impl Angles {
    /// Computes the table for `positions`. `divisors` are the frequency factors of Llama 3.1 files, empty for others.
    pub(crate) fn new(rotation: &Rotation, positions: usize, divisors: &[f32]) -> Self {
        let half = rotation.size / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|pair| {
                let power = -2.0 * pair as f64 / rotation.size as f64;
                let divisor = f64::from(divisors.get(pair).copied().unwrap_or(1.0) * rotation.scale);
                f64::from(rotation.base).powf(power) / divisor
            })
            .collect();
        let turn = |position: usize, frequency: f64| {
            let (sine, cosine) = (position as f64 * frequency).sin_cos();
            (cosine as f32, sine as f32)
        };
        let table =
            (0..positions).flat_map(|position| frequencies.iter().map(move |frequency| turn(position, *frequency)));
        Self { table: table.collect(), pairs: rotation.pairs, size: rotation.size }
    }

    /// Turns every head of `heads` (each `head_size` numbers) by the angles of `position`.
    pub(crate) fn turn(&self, heads: &mut [f32], head_size: usize, position: usize) {
        let half = self.size / 2;
        let angles = self.table.get(position * half..(position + 1) * half).unwrap_or_default();
        for head in heads.chunks_exact_mut(head_size) {
            let (head, _) = head.split_at_mut(self.size);
            match self.pairs {
                Pairs::Neighbours => {
                    for ([left, right], angle) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                        (*left, *right) = turned(*left, *right, *angle);
                    }
                }
                Pairs::Halves => {
                    let (left, right) = head.split_at_mut(half);
                    for ((left, right), angle) in left.iter_mut().zip(right).zip(angles) {
                        (*left, *right) = turned(*left, *right, *angle);
                    }
                }
            }
        }
    }
}

fn turned(left: f32, right: f32, (cosine, sine): (f32, f32)) -> (f32, f32) {
    (left * cosine - right * sine, left * sine + right * cosine)
}
