//! Sixteen numbers that are computed together, in the registers each processor has.
#![expect(unsafe_code, reason = "instructions by name; see the note on safety at the types that use them")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, _mm_loadu_si128, _mm_packs_epi16, _mm_storeu_si128, _mm256_andnot_ps,
    _mm256_castsi256_si128, _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set1_ps,
    _mm256_storeu_ps, _mm512_abs_ps, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_cvtsepi32_epi8, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

use half::f16;

use crate::chat::packed::LANES;

/// Sixteen numbers. Only code that [`Processor::run`](super::Processor::run) has entered may use the types that
/// stand for registers; they are named nowhere else.
pub(crate) trait Lanes: Copy {
    /// Whether a product and a sum are one instruction.
    const FUSED: bool;

    /// The same number in every lane.
    fn splat(number: f32) -> Self;

    /// Reads sixteen numbers.
    fn load(numbers: &[f32; LANES]) -> Self;

    /// Reads sixteen numbers of half the size.
    fn widen(numbers: &[f16; LANES]) -> Self;

    /// `self * factor + sum`.
    fn multiply_add(self, factor: Self, sum: Self) -> Self;

    /// The larger magnitude of each lane.
    fn larger(self, other: Self) -> Self;

    /// Rounds numbers within ±127 to the nearest integers, as bytes.
    fn bytes(self) -> [i8; LANES];

    /// Writes sixteen numbers.
    fn store(self, out: &mut [f32; LANES]);
}

/// Lanes that the compiler places as it can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain([f32; LANES]);

impl Lanes for Plain {
    const FUSED: bool = false;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self([number; LANES])
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        Self(*numbers)
    }

    #[inline(always)]
    fn widen(numbers: &[f16; LANES]) -> Self {
        Self(numbers.map(f16::to_f32))
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, sum: Self) -> Self {
        let mut out = sum.0;
        for ((out, left), right) in out.iter_mut().zip(self.0).zip(factor.0) {
            *out += left * right;
        }
        Self(out)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        let mut out = self.0.map(f32::abs);
        for (out, other) in out.iter_mut().zip(other.0) {
            *out = out.max(other.abs());
        }
        Self(out)
    }

    #[inline(always)]
    fn bytes(self) -> [i8; LANES] {
        self.0.map(|number| number.round_ties_even() as i8)
    }

    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        *out = self.0;
    }
}

/// Two registers of AVX2.
///
/// Safety: a value is made only inside [`Processor::run`](super::Processor::run), which has seen that the processor
/// has AVX2, FMA and F16C. Loads and stores read and write arrays of the registers' size and need no alignment.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(__m256, __m256);

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    const FUSED: bool = true;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: see the type.
        let lanes = unsafe { _mm256_set1_ps(number) };
        Self(lanes, lanes)
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        let start = numbers.as_ptr();
        // SAFETY: see the type; the second half begins after eight numbers.
        unsafe { Self(_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(8))) }
    }

    #[inline(always)]
    fn widen(numbers: &[f16; LANES]) -> Self {
        let start = numbers.as_ptr();
        // SAFETY: see the type; eight halves are sixteen bytes.
        let half = |at| unsafe { _mm256_cvtph_ps(_mm_loadu_si128(start.add(at).cast::<__m128i>())) };
        Self(half(0), half(8))
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, sum: Self) -> Self {
        // SAFETY: see the type.
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, sum.0), _mm256_fmadd_ps(self.1, factor.1, sum.1)) }
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: see the type.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            let half = |left, right| _mm256_max_ps(_mm256_andnot_ps(sign, left), _mm256_andnot_ps(sign, right));
            Self(half(self.0, other.0), half(self.1, other.1))
        }
    }

    #[inline(always)]
    fn bytes(self) -> [i8; LANES] {
        let mut out = [0; LANES];
        // SAFETY: see the type. Packing works in halves of 128 bits; the permutation puts these in order.
        unsafe {
            let words = _mm256_packs_epi32(_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(out.as_mut_ptr().cast::<__m128i>(), bytes);
        }
        out
    }

    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        let start = out.as_mut_ptr();
        // SAFETY: see the type; the second half begins after eight numbers.
        unsafe {
            _mm256_storeu_ps(start, self.0);
            _mm256_storeu_ps(start.add(8), self.1);
        }
    }
}

/// One register of AVX-512.
///
/// Safety: as for [`Avx2`], with AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(__m512);

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512 {
    const FUSED: bool = true;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: see the type.
        Self(unsafe { _mm512_set1_ps(number) })
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self {
        // SAFETY: see the type.
        Self(unsafe { _mm512_loadu_ps(numbers.as_ptr()) })
    }

    #[inline(always)]
    fn widen(numbers: &[f16; LANES]) -> Self {
        // SAFETY: see the type; sixteen halves are 32 bytes.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(numbers.as_ptr().cast::<__m256i>())) })
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, sum: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, sum.0) })
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: see the type.
        Self(unsafe { _mm512_max_ps(_mm512_abs_ps(self.0), _mm512_abs_ps(other.0)) })
    }

    #[inline(always)]
    fn bytes(self) -> [i8; LANES] {
        let mut out = [0; LANES];
        // SAFETY: see the type; sixteen bytes are 128 bits.
        unsafe {
            let bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(self.0));
            _mm_storeu_si128(out.as_mut_ptr().cast::<__m128i>(), bytes);
        }
        out
    }

    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        // SAFETY: see the type.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
    }
}
