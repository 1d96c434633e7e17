//! Tiles with AVX-512: 16 columns a register, eight rows at once.
//!
//! The compiler does not keep a tile in registers by itself, which costs a factor of eighty; with these
//! instructions a tile runs at 90 to 100 % of what the processor can do.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers; each stays inside one whole array")]

mod rounding;

use std::{
    arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_cvtepi32_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_storeu_ps,
    },
    mem,
};

use super::{
    COLUMNS, PAIRS, ROWS, Square, Tile,
    processor::{Nibbles, Quads, WORDS},
};

pub(super) use rounding::round;

/// Rows that are computed at once with bytes: each needs integer and float sums, and there are 32 registers.
const HALF: usize = ROWS / 2;

/// `tile = a * b`, floats.
#[target_feature(enable = "avx512f")]
pub(super) fn multiply(a: &[[f32; ROWS]], b: &[[f32; COLUMNS]], tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (a, b) in a.iter().zip(b) {
        let [b0, b1] = load_floats(b);
        for ([sum0, sum1], a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_ps(*a);
            *sum0 = _mm512_fmadd_ps(a, b0, *sum0);
            *sum1 = _mm512_fmadd_ps(a, b1, *sum1);
        }
    }
    store(tile, sums);
}

/// `tile += a * b`, where `a` is eight rows as they lie in memory.
#[target_feature(enable = "avx512f")]
pub(super) fn multiply_rows(a: &Tile, b: &Square, tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (sums, row) in sums.iter_mut().zip(&*tile) {
        *sums = load_floats(row);
    }
    for (column, b) in b.iter().enumerate() {
        let [b0, b1] = load_floats(b);
        for ([sum0, sum1], a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_ps(a.get(column).copied().unwrap_or(0.0));
            *sum0 = _mm512_fmadd_ps(a, b0, *sum0);
            *sum1 = _mm512_fmadd_ps(a, b1, *sum1);
        }
    }
    store(tile, sums);
}

/// `tile = a * b`, each word a pair of bfloat16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn multiply_pairs(a: &[[u32; ROWS]], b: &[[u32; COLUMNS]], tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (a, b) in a.iter().zip(b) {
        let [b0, b1] = load_words(b);
        let (b0, b1) = (as_pairs(b0), as_pairs(b1));
        for ([sum0, sum1], a) in sums.iter_mut().zip(a) {
            let a = as_pairs(_mm512_set1_epi32(*a as i32));
            *sum0 = _mm512_dpbf16_ps(*sum0, a, b0);
            *sum1 = _mm512_dpbf16_ps(*sum1, a, b1);
        }
    }
    store(tile, sums);
}

/// `tile = a * b`, rounded activations and 4-bit weights.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn multiply_bytes(a: Quads<'_>, b: Nibbles<'_>, tile: &mut Tile) {
    let (upper, lower) = tile.split_at_mut(HALF);
    multiply_half::<0>(a, b, upper);
    multiply_half::<HALF>(a, b, lower);
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply_half<const FROM: usize>(a: Quads<'_>, b: Nibbles<'_>, out: &mut [[f32; COLUMNS]]) {
    let mut sums = [[_mm512_setzero_ps(); 2]; HALF];
    let a = a.words.as_chunks::<WORDS>().0.iter().zip(a.scales).zip(a.offsets);
    let b = b.words.as_chunks::<WORDS>().0.iter().zip(b.scales);
    for (((a, a_scales), offsets), (b, b_scales)) in a.zip(b) {
        let products = multiply_block::<FROM>(a, offsets, b);
        let [scale0, scale1] = load_floats(b_scales);
        let rows = sums.iter_mut().zip(products).zip(a_scales.iter().skip(FROM));
        for (([sum0, sum1], [product0, product1]), a_scale) in rows {
            let a_scale = _mm512_set1_ps(*a_scale);
            *sum0 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product0), _mm512_mul_ps(a_scale, scale0), *sum0);
            *sum1 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product1), _mm512_mul_ps(a_scale, scale1), *sum1);
        }
    }
    store(out, sums);
}

/// Integer products of one block of 32 columns of activations.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn multiply_block<const FROM: usize>(
    a: &[[u32; ROWS]; WORDS],
    offsets: &[i32; ROWS],
    b: &[[u32; COLUMNS]; WORDS],
) -> [[__m512i; 2]; HALF] {
    let mut sums = [[_mm512_set1_epi32(0); 2]; HALF];
    for (sums, offset) in sums.iter_mut().zip(offsets.iter().skip(FROM)) {
        *sums = [_mm512_set1_epi32(*offset); 2];
    }
    for (a, b) in a.iter().zip(b) {
        let [b0, b1] = load_words(b);
        for ([sum0, sum1], a) in sums.iter_mut().zip(a.iter().skip(FROM)) {
            let a = _mm512_set1_epi32(*a as i32);
            *sum0 = _mm512_dpbusd_epi32(*sum0, b0, a);
            *sum1 = _mm512_dpbusd_epi32(*sum1, b1, a);
        }
    }
    sums
}

/// `tile += a * b`, each word a pair of bfloat16, where `a` is eight rows as they lie in memory.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn multiply_pair_rows(a: &[[u32; PAIRS]; ROWS], b: &[[u32; COLUMNS]; PAIRS], tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (sums, row) in sums.iter_mut().zip(&*tile) {
        *sums = load_floats(row);
    }
    for (column, b) in b.iter().enumerate() {
        let [b0, b1] = load_words(b);
        let (b0, b1) = (as_pairs(b0), as_pairs(b1));
        for ([sum0, sum1], a) in sums.iter_mut().zip(a) {
            let a = as_pairs(_mm512_set1_epi32(a.get(column).copied().unwrap_or(0) as i32));
            *sum0 = _mm512_dpbf16_ps(*sum0, a, b0);
            *sum1 = _mm512_dpbf16_ps(*sum1, a, b1);
        }
    }
    store(tile, sums);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_floats(floats: &[f32; COLUMNS]) -> [__m512; 2] {
    let first = floats.as_ptr();
    // SAFETY: the array is 32 floats, what the two loads read; they need no alignment.
    unsafe { [_mm512_loadu_ps(first), _mm512_loadu_ps(first.add(16))] }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: &[u32; COLUMNS]) -> [__m512i; 2] {
    let first = words.as_ptr();
    // SAFETY: the array is 32 words, what the two loads read; they need no alignment.
    unsafe { [_mm512_loadu_si512(first.cast()), _mm512_loadu_si512(first.add(16).cast())] }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn as_pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { mem::transmute::<__m512i, __m512bh>(words) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store<const N: usize>(out: &mut [[f32; COLUMNS]], sums: [[__m512; 2]; N]) {
    for (out, [sum0, sum1]) in out.iter_mut().zip(sums) {
        let first = out.as_mut_ptr();
        // SAFETY: the array is 32 floats, what the two stores write; they need no alignment.
        unsafe {
            _mm512_storeu_ps(first, sum0);
            _mm512_storeu_ps(first.add(16), sum1);
        }
    }
}
