//! Tiles in plain Rust: what runs where nothing better was written, and what everything better is tested against.

use super::{
    COLUMNS, PAIRS, ROWS, Square, Tile,
    math::multiply_add,
    processor::{Nibbles, Quads, WORDS},
};

/// `tile = a * b`, in parts of `R` rows and `C` columns that fit the registers.
#[inline(always)]
pub(super) fn multiply<const FUSED: bool, const R: usize, const C: usize>(
    a: &[[f32; ROWS]],
    b: &[[f32; COLUMNS]],
    tile: &mut Tile,
) {
    for row in (0..ROWS).step_by(R) {
        for column in (0..COLUMNS).step_by(C) {
            part::<FUSED, R, C>(a, b, tile, (row, column));
        }
    }
}

#[inline(always)]
fn part<const FUSED: bool, const R: usize, const C: usize>(
    a: &[[f32; ROWS]],
    b: &[[f32; COLUMNS]],
    tile: &mut Tile,
    (row, column): (usize, usize),
) {
    let mut sums = [[0.0_f32; C]; R];
    for (a, b) in a.iter().zip(b) {
        let (Some(a), Some(b)) = (a.get(row..row + R), b.get(column..column + C)) else { return };
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = multiply_add::<FUSED>(*a, *b, *sum);
            }
        }
    }
    for (out, sums) in tile.iter_mut().skip(row).zip(sums) {
        if let Some(out) = out.get_mut(column..column + C) {
            out.copy_from_slice(&sums);
        }
    }
}

/// `tile += a * b`, where `a` is eight rows as they lie in memory.
#[inline(always)]
pub(super) fn multiply_rows<const FUSED: bool>(a: &Tile, b: &Square, tile: &mut Tile) {
    for (row, sums) in a.iter().zip(tile) {
        for (a, b) in row.iter().zip(b) {
            sums.iter_mut().zip(b).for_each(|(sum, b)| *sum = multiply_add::<FUSED>(*a, *b, *sum));
        }
    }
}

/// The two bfloat16 of a word, the lower half first.
fn unpair(word: u32) -> [f32; 2] {
    [f32::from_bits(word << 16), f32::from_bits(word & 0xFFFF_0000)]
}

/// `tile = a * b`, each word a pair of bfloat16.
pub(super) fn multiply_pairs(a: &[[u32; ROWS]], b: &[[u32; COLUMNS]], tile: &mut Tile) {
    *tile = [[0.0; COLUMNS]; ROWS];
    for (a, b) in a.iter().zip(b) {
        for (sums, a) in tile.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                let ([a0, a1], [b0, b1]) = (unpair(*a), unpair(*b));
                *sum += a0 * b0 + a1 * b1;
            }
        }
    }
}

/// `tile += a * b`, each word a pair of bfloat16, where `a` is eight rows as they lie in memory.
pub(super) fn multiply_pair_rows(a: &[[u32; PAIRS]; ROWS], b: &[[u32; COLUMNS]; PAIRS], tile: &mut Tile) {
    for (row, sums) in a.iter().zip(tile) {
        for (a, b) in row.iter().zip(b) {
            for (sum, b) in sums.iter_mut().zip(b) {
                let ([a0, a1], [b0, b1]) = (unpair(*a), unpair(*b));
                *sum += a0 * b0 + a1 * b1;
            }
        }
    }
}

/// `tile = a * b`, rounded activations and 4-bit weights.
pub(super) fn multiply_bytes(a: Quads<'_>, b: Nibbles<'_>, tile: &mut Tile) {
    *tile = [[0.0; COLUMNS]; ROWS];
    let a = a.words.chunks_exact(WORDS).zip(a.scales).zip(a.offsets);
    let b = b.words.chunks_exact(WORDS).zip(b.scales);
    for (((a, a_scales), offsets), (b, b_scales)) in a.zip(b) {
        for (row, sums) in tile.iter_mut().enumerate() {
            let offset = offsets.get(row).copied().unwrap_or(0);
            let scale = a_scales.get(row).copied().unwrap_or(0.0);
            for (column, (sum, b_scale)) in sums.iter_mut().zip(b_scales).enumerate() {
                let words = a.iter().zip(b).filter_map(|(a, b)| Some((a.get(row)?, b.get(column)?)));
                let product: i32 = words.map(|(a, b)| dot_bytes(*a, *b)).sum();
                *sum += (product + offset) as f32 * scale * b_scale;
            }
        }
    }
}

/// The product of four signed bytes with four unsigned ones.
fn dot_bytes(signed: u32, unsigned: u32) -> i32 {
    let pairs = signed.to_le_bytes().into_iter().zip(unsigned.to_le_bytes());
    pairs.map(|(a, b)| i32::from(a as i8) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Processor;

    /// Numbers that look random and are the same in every run.
    fn noise(count: usize) -> Vec<u32> {
        let mut state = 7_u32;
        let step = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state ^ (state >> 15)
        };
        (0..count).map(step).collect()
    }

    fn rows<T: Copy + Default, const N: usize>(values: Vec<T>) -> Vec<[T; N]> {
        values.as_chunks::<N>().0.to_vec()
    }

    fn near(a: &Tile, b: &Tile, tolerance: f32) {
        for (a, b) in a.as_flattened().iter().zip(b.as_flattened()) {
            assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} {b}");
        }
    }

    #[test]
    fn float_tiles_agree_on_every_processor() {
        let floats = |count| noise(count).into_iter().map(|bits| bits as f32 / u32::MAX as f32 - 0.5).collect();
        for depth in [0, 1, 7, 384] {
            let (a, b) = (rows::<f32, ROWS>(floats(depth * ROWS)), rows::<f32, COLUMNS>(floats(depth * COLUMNS)));
            let mut exact = [[0.0; COLUMNS]; ROWS];
            for (a, b) in a.iter().zip(&b) {
                for (row, a) in exact.iter_mut().zip(a) {
                    row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
                }
            }
            for processor in Processor::all() {
                let mut tile = [[9.0; COLUMNS]; ROWS];
                processor.multiply(&a, &b, &mut tile);
                near(&tile, &exact, 1e-5);
            }
        }
    }

    #[test]
    fn rows_as_they_lie_give_the_same_tile_on_every_processor() {
        let floats = |count| noise(count).into_iter().map(|bits| bits as f32 / u32::MAX as f32 - 0.5).collect();
        let a: Tile = rows::<f32, COLUMNS>(floats(ROWS * COLUMNS)).try_into().unwrap();
        let b: Square = rows::<f32, COLUMNS>(floats(COLUMNS * COLUMNS)).try_into().unwrap();
        for processor in Processor::all() {
            let mut tile = [[1.0; COLUMNS]; ROWS];
            processor.multiply_rows(&a, &b, &mut tile);
            for (row, sums) in a.iter().zip(&tile) {
                for (column, sum) in sums.iter().enumerate() {
                    let exact = 1.0 + row.iter().zip(&b).map(|(a, b)| a * b[column]).sum::<f32>();
                    assert!((sum - exact).abs() < 1e-5, "{processor:?} {sum} {exact}");
                }
            }
        }
    }

    #[test]
    fn tiles_of_pairs_agree_on_every_processor() {
        // Exponents near one, both signs.
        let pairs = |count| noise(count).into_iter().map(|bits| (bits & 0x80FF_80FF) | 0x3F00_3F00).collect();
        let (a, b) = (rows::<u32, ROWS>(pairs(100 * ROWS)), rows::<u32, COLUMNS>(pairs(100 * COLUMNS)));
        let mut exact = [[0.0; COLUMNS]; ROWS];
        multiply_pairs(&a, &b, &mut exact);
        for processor in Processor::all() {
            let mut tile = [[9.0; COLUMNS]; ROWS];
            processor.multiply_pairs(&a, &b, &mut tile);
            near(&tile, &exact, 1e-4);
        }
    }

    #[test]
    fn rows_of_pairs_give_the_same_tile_on_every_processor() {
        let pairs = |count| noise(count).into_iter().map(|bits| (bits & 0x80FF_80FF) | 0x3F00_3F00).collect();
        let a: [[u32; PAIRS]; ROWS] = rows::<u32, PAIRS>(pairs(ROWS * PAIRS)).try_into().unwrap();
        let b: [[u32; COLUMNS]; PAIRS] = rows::<u32, COLUMNS>(pairs(PAIRS * COLUMNS)).try_into().unwrap();
        let mut exact = [[1.0; COLUMNS]; ROWS];
        multiply_pair_rows(&a, &b, &mut exact);
        for processor in Processor::all() {
            let mut tile = [[1.0; COLUMNS]; ROWS];
            processor.multiply_pair_rows(&a, &b, &mut tile);
            near(&tile, &exact, 1e-4);
        }
    }

    #[test]
    fn tiles_of_bytes_agree_on_every_processor() {
        let blocks = 12;
        let words = rows::<u32, ROWS>(noise(blocks * WORDS * ROWS));
        let nibbles = noise(blocks * WORDS * COLUMNS).into_iter().map(|word| word & 0x0F0F_0F0F);
        let nibbles = rows::<u32, COLUMNS>(nibbles.collect());
        let scales = |count| noise(count).into_iter().map(|bits| bits as f32 / u32::MAX as f32 * 0.01).collect();
        let (a_scales, b_scales) = (rows(scales(blocks * ROWS)), rows(scales(blocks * COLUMNS)));
        let offsets = rows(noise(blocks * ROWS).into_iter().map(|bits| (bits >> 17) as i32 - 16_384).collect());
        let a = Quads { words: &words, scales: &a_scales, offsets: &offsets };
        let b = Nibbles { words: &nibbles, scales: &b_scales };
        let mut exact = [[0.0; COLUMNS]; ROWS];
        multiply_bytes(a, b, &mut exact);
        for processor in Processor::all() {
            let mut tile = [[9.0; COLUMNS]; ROWS];
            processor.multiply_bytes(a, b, &mut tile);
            near(&tile, &exact, 1e-5);
        }
    }
}
