//! Rounding activations to bytes with AVX-512: eight rows of a block at once, so that finding their largest numbers and
//! laying them side by side is a handful of instructions for all of them.
#![expect(unsafe_code, reason = "vector loads and stores go through pointers; each stays inside one whole array")]

use std::arch::x86_64::{
    __m256, __m256i, __m512, _CMP_GT_OQ, _mm256_castpd_ps, _mm256_castps_pd, _mm256_cmp_ps_mask, _mm256_div_ps,
    _mm256_dpbusd_epi32, _mm256_maskz_div_ps, _mm256_max_ps, _mm256_permute2f128_ps, _mm256_permute2x128_si256,
    _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm256_sub_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpackhi_pd,
    _mm256_unpackhi_ps, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
    _mm512_abs_ps, _mm512_castps512_ps256, _mm512_cvtepi32_epi8, _mm512_cvtps_epi32, _mm512_extractf32x8_ps,
    _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps,
};

use super::{ROWS, WORDS, load_floats};
use crate::kernels::BLOCK;

/// A block of 32 columns of eight rows, as it lies in memory.
type Block<'a> = [&'a [f32; BLOCK]; ROWS];

/// Rounds eight rows of `width` numbers; the rest is as `passes::Round` says.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
pub(in crate::kernels) fn round(
    rows: &[f32],
    width: usize,
    words: &mut [[u32; ROWS]],
    scales: &mut [[f32; ROWS]],
    offsets: &mut [[i32; ROWS]],
) {
    let blocks = words.as_chunks_mut::<WORDS>().0.iter_mut().zip(scales).zip(offsets);
    for (index, ((words, scales), offsets)) in blocks.enumerate() {
        let mut block: Block<'_> = [&[0.0; BLOCK]; ROWS];
        for (part, row) in block.iter_mut().zip(rows.chunks_exact(width)) {
            if let Some(these) = row.as_chunks::<BLOCK>().0.get(index) {
                *part = these;
            }
        }
        round_block(&block, words, scales, offsets);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
fn round_block(
    block: &Block<'_>,
    words: &mut [[u32; ROWS]; WORDS],
    scales: &mut [f32; ROWS],
    offsets: &mut [i32; ROWS],
) {
    let largest = largest(block);
    let positive = _mm256_cmp_ps_mask::<_CMP_GT_OQ>(largest, _mm256_setzero_ps());
    let inverse = _mm256_maskz_div_ps(positive, _mm256_set1_ps(127.0), largest);
    // A division, as in `passes::Round`: which of the two rounds a row depends on its neighbours, and the last bit of a
    // step moves numbers from one byte to the next in every later layer.
    store_floats(scales, _mm256_div_ps(largest, _mm256_set1_ps(127.0)));
    let mut inverses = [0.0; ROWS];
    store_floats(&mut inverses, inverse);
    let mut bytes = [_mm256_setzero_si256(); ROWS];
    for ((bytes, row), inverse) in bytes.iter_mut().zip(block).zip(&inverses) {
        let [low, high] = load_floats(row);
        let inverse = _mm512_set1_ps(*inverse);
        let low = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(low, inverse)));
        let high = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(high, inverse)));
        *bytes = _mm256_set_m128i(high, low);
    }
    let mut sums = _mm256_setzero_si256();
    for (out, word) in words.iter_mut().zip(transpose(bytes)) {
        sums = _mm256_dpbusd_epi32(sums, _mm256_set1_epi8(8), word);
        // SAFETY: the array is eight words, what the store writes; it needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), word) };
    }
    // SAFETY: as above.
    unsafe { _mm256_storeu_si256(offsets.as_mut_ptr().cast(), _mm256_sub_epi32(_mm256_setzero_si256(), sums)) };
}

/// The largest absolute number of each row.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx2")]
fn largest(block: &Block<'_>) -> __m256 {
    let mut lanes = [_mm256_setzero_ps(); ROWS];
    for (lanes, row) in lanes.iter_mut().zip(block) {
        let [low, high] = load_floats(row);
        let both: __m512 = _mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high));
        *lanes = _mm256_max_ps(_mm512_castps512_ps256(both), _mm512_extractf32x8_ps::<1>(both));
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    let (first, second) = (quarter(pair(a, b), pair(c, d)), quarter(pair(e, f), pair(g, h)));
    _mm256_max_ps(_mm256_permute2f128_ps::<0x20>(first, second), _mm256_permute2f128_ps::<0x31>(first, second))
}

/// Larger ones of the halves of `a` and `b`, alternating.
#[inline]
#[target_feature(enable = "avx2")]
fn pair(a: __m256, b: __m256) -> __m256 {
    _mm256_max_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b))
}

/// Larger ones of what `pair` left, four rows side by side.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter(a: __m256, b: __m256) -> __m256 {
    let (a, b) = (_mm256_castps_pd(a), _mm256_castps_pd(b));
    _mm256_max_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)))
}

/// Exchanges rows and columns of eight times eight words.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d, e, f, g, h]: [__m256i; ROWS]) -> [__m256i; WORDS] {
    let [a, b, c, d] = transpose_half([a, b, c, d]);
    let [e, f, g, h] = transpose_half([e, f, g, h]);
    let low = |first, second| _mm256_permute2x128_si256::<0x20>(first, second);
    let high = |first, second| _mm256_permute2x128_si256::<0x31>(first, second);
    [low(a, e), low(b, f), low(c, g), low(d, h), high(a, e), high(b, f), high(c, g), high(d, h)]
}

/// The same inside the two halves of four rows.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_half([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_floats(out: &mut [f32; ROWS], values: __m256) {
    // SAFETY: the array is eight floats, what the store writes; it needs no alignment.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) };
}
