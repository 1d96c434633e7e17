//! Products with AVX2: a tile is two registers of eight rows.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers; each reads or writes one whole array")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_load_si128, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_load_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_sign_epi8, _mm256_srli_epi16, _mm256_storeu_ps,
};

use super::Block;
use crate::chat::packed::{Form, Halves, LANES, Quants, Tile};

/// Rows of one register.
const HALF: usize = LANES / 2;

/// Multiplies a tile with one group of tokens; `out` has one entry per token.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn multiply(tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
    let mut done = 0;
    for pair in out.chunks_mut(2) {
        if pair.len() == 2 {
            by_form::<2>(tile, blocks, done, pair)
        } else {
            by_form::<1>(tile, blocks, done, pair)
        }
        done += 2;
    }
}

/// Tokens `first..first + N`: two tokens, two halves and their partial sums fill the sixteen registers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn by_form<const N: usize>(tile: Tile<'_>, blocks: &[Block], first: usize, out: &mut [[f32; LANES]]) {
    for side in 0..2 {
        let sums: [__m256; N] = match tile.form {
            Form::Four => four(tile, blocks, first, side),
            Form::Eight => eight(tile, blocks, first, side),
        };
        for (out, sum) in out.iter_mut().zip(sums) {
            if let Some(out) = out.as_chunks_mut::<HALF>().0.get_mut(side) {
                // SAFETY: `out` is eight floats, what one store writes; the store needs no alignment.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn four<const N: usize>(tile: Tile<'_>, blocks: &[Block], first: usize, side: usize) -> [__m256; N] {
    let (mask, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_ps(); N];
    let parts = tile.quants.as_chunks::<4>().0.iter().zip(tile.scales).zip(tile.minima).zip(blocks);
    for (((vectors, scales), minima), block) in parts {
        let loaded = vectors.each_ref().map(|vector| load(vector, side));
        let (scales, minima) = (widen(scales, side), widen(minima, side));
        let tokens = block.words.iter().zip(block.scales).zip(block.sums).skip(first);
        for (sum, ((words, scale), weight_sum)) in sums.iter_mut().zip(tokens) {
            let (low_words, high_words) = words.split_at(4);
            // Eight products of 15 × 127 twice stay below 2^15: they are added in 16 bits and widened once.
            let mut narrow = _mm256_setzero_si256();
            for (vector, (low, high)) in loaded.iter().zip(low_words.iter().zip(high_words)) {
                let nibbles = _mm256_and_si256(*vector, mask);
                narrow = _mm256_add_epi16(narrow, _mm256_maddubs_epi16(nibbles, _mm256_set1_epi32(*low)));
                let nibbles = _mm256_and_si256(_mm256_srli_epi16::<4>(*vector), mask);
                narrow = _mm256_add_epi16(narrow, _mm256_maddubs_epi16(nibbles, _mm256_set1_epi32(*high)));
            }
            let steps = _mm256_cvtepi32_ps(_mm256_madd_epi16(narrow, ones));
            *sum = _mm256_fmadd_ps(steps, _mm256_mul_ps(scales, _mm256_set1_ps(scale)), *sum);
            *sum = _mm256_fmadd_ps(minima, _mm256_set1_ps(weight_sum), *sum);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eight<const N: usize>(tile: Tile<'_>, blocks: &[Block], first: usize, side: usize) -> [__m256; N] {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); N];
    let parts = tile.quants.as_chunks::<8>().0.iter().zip(tile.scales).zip(blocks);
    for ((vectors, scales), block) in parts {
        let loaded = vectors.each_ref().map(|vector| load(vector, side));
        let scales = widen(scales, side);
        let tokens = block.words.iter().zip(block.scales).skip(first);
        for (sum, (words, scale)) in sums.iter_mut().zip(tokens) {
            let mut steps = _mm256_setzero_si256();
            for (vector, word) in loaded.iter().zip(words) {
                // The instruction multiplies unsigned by signed bytes: the weight's sign moves to the step.
                let signed = _mm256_sign_epi8(_mm256_set1_epi32(*word), *vector);
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(*vector), signed);
                steps = _mm256_add_epi32(steps, _mm256_madd_epi16(pairs, ones));
            }
            let steps = _mm256_cvtepi32_ps(steps);
            *sum = _mm256_fmadd_ps(steps, _mm256_mul_ps(scales, _mm256_set1_ps(scale)), *sum);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(quants: &Quants, side: usize) -> __m256i {
    let (left, right) = quants.0.split_at(32);
    let half = if side == 0 { left } else { right };
    // SAFETY: `half` is 32 bytes, and starts on a 32-byte border because `Quants` starts on a 64-byte border.
    unsafe { _mm256_load_si256(half.as_ptr().cast::<__m256i>()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn widen(halves: &Halves, side: usize) -> __m256 {
    let (left, right) = halves.0.split_at(HALF);
    let half = if side == 0 { left } else { right };
    // SAFETY: `half` is eight two-byte numbers, and starts on a 16-byte border because `Halves` starts on a
    // 32-byte border.
    _mm256_cvtph_ps(unsafe { _mm_load_si128(half.as_ptr().cast::<__m128i>()) })
}
