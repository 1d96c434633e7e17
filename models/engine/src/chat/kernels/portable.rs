//! Products in plain Rust: for processors without the named instructions, and the truth the others are tested by.

use super::Block;
use crate::chat::packed::{Form, LANES, Tile};

/// Multiplies a tile with one group of tokens; `out` has one entry per token.
pub(crate) fn multiply(tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
    for (slot, out) in out.iter_mut().enumerate() {
        *out = [0.0; LANES];
        let vectors = tile.quants.chunks_exact(tile.form.vectors());
        for (((vectors, scales), block), index) in vectors.zip(tile.scales).zip(blocks).zip(0..) {
            let Some((words, scale, sum)) = token(block, slot) else { continue };
            let minima = tile.minima.get(index);
            for (lane, (out, weight_scale)) in out.iter_mut().zip(scales.0).enumerate() {
                let bytes = vectors.iter().filter_map(|vector| vector.0.as_chunks::<4>().0.get(lane));
                let steps = match tile.form {
                    Form::Eight => signed(bytes, words),
                    Form::Four => nibbles(bytes, words),
                };
                let minimum = minima.and_then(|minima| minima.0.get(lane)).map_or(0.0, |minimum| minimum.to_f32());
                *out += steps as f32 * (weight_scale.to_f32() * scale) + minimum * sum;
            }
        }
    }
}

fn token(block: &Block, slot: usize) -> Option<(&[i32; 8], f32, f32)> {
    Some((block.words.get(slot)?, *block.scales.get(slot)?, *block.sums.get(slot)?))
}

fn signed<'a>(weights: impl Iterator<Item = &'a [u8; 4]>, words: &[i32; 8]) -> i32 {
    weights.zip(words).map(|(weights, word)| dot(weights.map(|weight| i32::from(weight as i8)), *word)).sum()
}

fn nibbles<'a>(weights: impl Iterator<Item = &'a [u8; 4]>, words: &[i32; 8]) -> i32 {
    let (low, high) = words.split_at(4);
    let pairs = weights.zip(low.iter().zip(high));
    pairs
        .map(|(weights, (low, high))| {
            dot(weights.map(|weight| i32::from(weight & 15)), *low)
                + dot(weights.map(|weight| i32::from(weight >> 4)), *high)
        })
        .sum()
}

fn dot(weights: [i32; 4], word: i32) -> i32 {
    weights.iter().zip(word.to_le_bytes()).map(|(weight, step)| weight * i32::from(step as i8)).sum()
}
