//! Which instructions this processor has, and the one door through which code compiled for them is entered.

use super::{Block, Lanes, lanes, portable};
use crate::chat::packed::{LANES, Tile};

/// A loop written once and compiled for each instruction set.
pub(crate) trait Kernel {
    /// What the loop gives back.
    type Out;

    /// The loop, over lanes of the instruction set. Must be `#[inline(always)]` with all it calls, or it is compiled
    /// for the least processor only.
    fn run<L: Lanes>(self) -> Self::Out;
}

/// `a * b + c`, in one instruction where there is one; the library function that would replace it is far slower
/// than two instructions.
#[inline(always)]
pub(crate) fn multiply_add<L: Lanes>(a: f32, b: f32, c: f32) -> f32 {
    if L::FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// The instruction set that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processor {
    /// Whatever the compiler's target guarantees.
    Portable,
    /// 256 bits: AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits with byte products: AVX-512 F, BW, VL and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for an instruction set is entered only when `usable` has seen it")]
impl Processor {
    /// The best instruction set of this processor.
    pub(crate) fn detect() -> Self {
        [Self::Avx512, Self::Avx2].into_iter().find(|set| set.usable()).unwrap_or(Self::Portable)
    }

    /// Every instruction set of this processor, the portable one first: tests compare them.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|set| set.usable()).collect()
    }

    /// Whether this processor has the instruction set.
    fn usable(self) -> bool {
        let avx2 =
            || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        let avx512 = || {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
        };
        match self {
            Self::Portable => true,
            Self::Avx2 => avx2(),
            Self::Avx512 => avx2() && avx512(),
        }
    }

    /// Runs a loop in the form compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        match self {
            Self::Portable => kernel.run::<lanes::Plain>(),
            // SAFETY: values other than `Portable` come from `detect`, or from tests that asked `usable`.
            Self::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            Self::Avx512 => unsafe { run_avx512(kernel) },
        }
    }

    /// Multiplies a tile with one group of tokens; `out` has one entry per token.
    #[inline]
    pub(crate) fn multiply(self, tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
        match self {
            Self::Portable => portable::multiply(tile, blocks, out),
            // SAFETY: as in `run`.
            Self::Avx2 => unsafe { super::avx2::multiply(tile, blocks, out) },
            // SAFETY: as in `run`.
            Self::Avx512 => unsafe { super::avx512::multiply(tile, blocks, out) },
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Processor {
    /// The best instruction set of this processor.
    pub(crate) fn detect() -> Self {
        Self::Portable
    }

    /// Every instruction set of this processor: tests compare them.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Portable]
    }

    /// Runs a loop.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        kernel.run::<lanes::Plain>()
    }

    /// Multiplies a tile with one group of tokens; `out` has one entry per token.
    #[inline]
    pub(crate) fn multiply(self, tile: Tile<'_>, blocks: &[Block], out: &mut [[f32; LANES]]) {
        portable::multiply(tile, blocks, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<lanes::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<lanes::Avx512>()
}
