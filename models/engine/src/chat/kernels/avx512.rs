//! Products with AVX-512 VNNI: sixteen rows a register, four columns an instruction.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers; each reads or writes one whole array")]

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _mm256_load_si256, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_ps,
    _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512, _mm512_mul_ps, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_srli_epi16, _mm512_storeu_ps,
    _mm512_xor_si512,
};

use super::{Block, GROUP};
use crate::chat::packed::{Form, Halves, LANES, Quants, Tile};

/// Multiplies a tile with one group of tokens; `out` has one entry per token.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(crate) fn multiply(tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
    match out.len() {
        1 => by_form::<1>(tile, blocks, out),
        2 => by_form::<2>(tile, blocks, out),
        3 => by_form::<3>(tile, blocks, out),
        4 => by_form::<4>(tile, blocks, out),
        5 => by_form::<5>(tile, blocks, out),
        6 => by_form::<6>(tile, blocks, out),
        7 => by_form::<7>(tile, blocks, out),
        _ => by_form::<GROUP>(tile, blocks, out),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn by_form<const N: usize>(tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
    let sums: [__m512; N] = match tile.form {
        Form::Four => four(tile, blocks),
        Form::Eight => eight(tile, blocks),
    };
    for (out, sum) in out.iter_mut().zip(sums) {
        // SAFETY: `out` is sixteen floats, what one store writes; the store needs no alignment.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn four<const N: usize>(tile: Tile<'_>, blocks: &[Block]) -> [__m512; N] {
    let mask = _mm512_set1_epi8(15);
    let mut sums = [_mm512_setzero_ps(); N];
    let parts = tile.quants.as_chunks::<4>().0.iter().zip(tile.scales).zip(tile.minima).zip(blocks);
    for (((vectors, scales), minima), block) in parts {
        let loaded = vectors.each_ref().map(|vector| load(vector));
        let low = loaded.map(|vector| _mm512_and_si512(vector, mask));
        let high = loaded.map(|vector| _mm512_and_si512(_mm512_srli_epi16::<4>(vector), mask));
        let (scales, minima) = (widen(scales), widen(minima));
        let tokens = block.words.iter().zip(block.scales).zip(block.sums);
        for (sum, ((words, scale), weight_sum)) in sums.iter_mut().zip(tokens) {
            let (low_words, high_words) = words.split_at(4);
            let low = dot(_mm512_setzero_si512(), &low, low_words);
            let high = dot(_mm512_setzero_si512(), &high, high_words);
            let steps = _mm512_cvtepi32_ps(_mm512_add_epi32(low, high));
            *sum = _mm512_fmadd_ps(steps, _mm512_mul_ps(scales, _mm512_set1_ps(scale)), *sum);
            *sum = _mm512_fmadd_ps(minima, _mm512_set1_ps(weight_sum), *sum);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn eight<const N: usize>(tile: Tile<'_>, blocks: &[Block]) -> [__m512; N] {
    // The instruction multiplies unsigned by signed bytes: flipping the sign bit adds 128 to each weight, and
    // the sums start at what that adds too much.
    let flip = _mm512_set1_epi8(-128);
    let mut sums = [_mm512_setzero_ps(); N];
    let parts = tile.quants.as_chunks::<8>().0.iter().zip(tile.scales).zip(blocks);
    for ((vectors, scales), block) in parts {
        let loaded = vectors.each_ref().map(|vector| _mm512_xor_si512(load(vector), flip));
        let scales = widen(scales);
        let tokens = block.words.iter().zip(block.scales).zip(block.offsets);
        for (sum, ((words, scale), offset)) in sums.iter_mut().zip(tokens) {
            let steps = _mm512_cvtepi32_ps(dot(_mm512_set1_epi32(offset), &loaded, words));
            *sum = _mm512_fmadd_ps(steps, _mm512_mul_ps(scales, _mm512_set1_ps(scale)), *sum);
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn dot(start: __m512i, weights: &[__m512i], words: &[i32]) -> __m512i {
    let mut steps = start;
    for (weights, word) in weights.iter().zip(words) {
        steps = _mm512_dpbusd_epi32(steps, *weights, _mm512_set1_epi32(*word));
    }
    steps
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(quants: &Quants) -> __m512i {
    // SAFETY: `Quants` is 64 bytes on a 64-byte border, what one aligned load reads.
    unsafe { _mm512_load_si512(quants.0.as_ptr().cast::<__m512i>()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl,f16c")]
fn widen(halves: &Halves) -> __m512 {
    // SAFETY: `Halves` is sixteen two-byte numbers on a 32-byte border, what one aligned load reads.
    _mm512_cvtph_ps(unsafe { _mm256_load_si256(halves.0.as_ptr().cast::<__m256i>()) })
}
