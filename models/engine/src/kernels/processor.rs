//! Which instructions this processor has, and the one door through which code compiled for them is entered.

use super::{BLOCK, COLUMNS, PAIRS, ROWS, Square, Tile, passes::Round, tiles};

/// A loop written once and compiled for each instruction set.
pub(crate) trait Kernel {
    /// What the loop gives back.
    type Out;

    /// The loop. `FUSED` says that multiply and add are one instruction. Must be `#[inline(always)]`, or it is
    /// compiled for the least processor only.
    fn run<const FUSED: bool>(self) -> Self::Out;
}

/// How wide plain arithmetic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// Whatever the compiler's target guarantees.
    Portable,
    /// 256 bits with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The instruction sets in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processor {
    width: Width,
    /// Products of byte quads (AVX-512 DQ and VNNI).
    bytes: bool,
    /// Products of bfloat16 pairs (AVX-512 BF16).
    pairs: bool,
}

/// Activations rounded to bytes, a block of 32 columns of eight rows each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quads<'a> {
    /// Four signed bytes a word.
    pub(crate) words: &'a [[u32; ROWS]],
    /// One step of each row's bytes in a block.
    pub(crate) scales: &'a [[f32; ROWS]],
    /// -8 times the sum of each row's bytes in a block: takes back the offset of the weights' nibbles.
    pub(crate) offsets: &'a [[i32; ROWS]],
}

/// Weights of 4 bits, a nibble in a byte, for 32 columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nibbles<'a> {
    /// Four nibbles of one column a word.
    pub(crate) words: &'a [[u32; COLUMNS]],
    /// One step of each column's nibbles in a block.
    pub(crate) scales: &'a [[f32; COLUMNS]],
}

/// Words in a block.
pub(crate) const WORDS: usize = BLOCK / 4;

impl Processor {
    /// No more than the compiler's target guarantees: what everything else is tested against.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    pub(crate) fn portable() -> Self {
        Self { width: Width::Portable, bytes: false, pairs: false }
    }

    /// Whether `multiply_bytes` runs; products of 4-bit weights are made from floats otherwise.
    pub(crate) fn has_bytes(self) -> bool {
        self.bytes
    }

    /// Whether `multiply_pairs` runs.
    pub(crate) fn has_pairs(self) -> bool {
        self.pairs
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Processor {
    /// The instruction sets of this processor.
    pub(crate) fn detect() -> Self {
        Self::portable()
    }

    /// Runs a loop in the form compiled for this processor.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        kernel.run::<false>()
    }

    /// `tile = a * b`, floats.
    #[inline]
    pub(crate) fn multiply(self, a: &[[f32; ROWS]], b: &[[f32; COLUMNS]], tile: &mut Tile) {
        tiles::multiply::<false, 4, 8>(a, b, tile);
    }

    /// `tile += a * b`, where `a` is eight rows as they lie in memory.
    #[inline]
    pub(crate) fn multiply_rows(self, a: &Tile, b: &Square, tile: &mut Tile) {
        tiles::multiply_rows::<false>(a, b, tile);
    }

    /// `tile = a * b`, each word a pair of bfloat16.
    #[inline]
    pub(crate) fn multiply_pairs(self, a: &[[u32; ROWS]], b: &[[u32; COLUMNS]], tile: &mut Tile) {
        tiles::multiply_pairs(a, b, tile);
    }

    /// `tile += a * b`, each word a pair of bfloat16, where `a` is eight rows as they lie in memory.
    #[inline]
    pub(crate) fn multiply_pair_rows(self, a: &[[u32; PAIRS]; ROWS], b: &[[u32; COLUMNS]; PAIRS], tile: &mut Tile) {
        tiles::multiply_pair_rows(a, b, tile);
    }

    /// Rounds up to eight rows to bytes.
    #[inline]
    pub(crate) fn round(self, rounding: Round<'_>) {
        self.run(rounding);
    }

    /// `tile = a * b`, rounded activations and 4-bit weights.
    #[inline]
    pub(crate) fn multiply_bytes(self, a: Quads<'_>, b: Nibbles<'_>, tile: &mut Tile) {
        tiles::multiply_bytes(a, b, tile);
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "code for an instruction set is entered only after the processor said it has it")]
impl Processor {
    /// The instruction sets of this processor.
    pub(crate) fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        let width = match (avx512, avx2) {
            (true, _) => Width::Avx512,
            (_, true) => Width::Avx2,
            _ => Width::Portable,
        };
        let bytes = avx512 && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vnni");
        let pairs = avx512 && is_x86_feature_detected!("avx512bf16");
        Self { width, bytes, pairs }
    }

    /// Every combination this processor can run, the portable one first: tests compare them.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let best = Self::detect();
        let plain = |width| Self { width, bytes: false, pairs: false };
        let mut all = vec![Self::portable()];
        if best.width != Width::Portable {
            all.push(plain(Width::Avx2));
        }
        if best.width == Width::Avx512 {
            all.extend([plain(Width::Avx512), best]);
        }
        all
    }

    /// Runs a loop in the form compiled for this processor.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        match self.width {
            Width::Portable => kernel.run::<false>(),
            // SAFETY: `detect` has seen AVX2 and FMA.
            Width::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: `detect` has seen AVX-512 F, BW and VL.
            Width::Avx512 => unsafe { run_avx512(kernel) },
        }
    }

    /// `tile = a * b`, floats.
    #[inline]
    pub(crate) fn multiply(self, a: &[[f32; ROWS]], b: &[[f32; COLUMNS]], tile: &mut Tile) {
        match self.width {
            Width::Portable => tiles::multiply::<false, 4, 8>(a, b, tile),
            // SAFETY: as in `run`.
            Width::Avx2 => unsafe { multiply_avx2(a, b, tile) },
            // SAFETY: as in `run`.
            Width::Avx512 => unsafe { super::avx512::multiply(a, b, tile) },
        }
    }

    /// `tile += a * b`, where `a` is eight rows as they lie in memory.
    #[inline]
    pub(crate) fn multiply_rows(self, a: &Tile, b: &Square, tile: &mut Tile) {
        match self.width {
            Width::Portable => tiles::multiply_rows::<false>(a, b, tile),
            // SAFETY: as in `run`.
            Width::Avx2 => unsafe { multiply_rows_avx2(a, b, tile) },
            // SAFETY: as in `run`.
            Width::Avx512 => unsafe { super::avx512::multiply_rows(a, b, tile) },
        }
    }

    /// `tile = a * b`, each word a pair of bfloat16.
    #[inline]
    pub(crate) fn multiply_pairs(self, a: &[[u32; ROWS]], b: &[[u32; COLUMNS]], tile: &mut Tile) {
        if self.pairs {
            // SAFETY: `detect` has seen AVX-512 BF16 beside what `run` needs.
            unsafe { super::avx512::multiply_pairs(a, b, tile) }
        } else {
            tiles::multiply_pairs(a, b, tile);
        }
    }

    /// `tile += a * b`, each word a pair of bfloat16, where `a` is eight rows as they lie in memory.
    #[inline]
    pub(crate) fn multiply_pair_rows(self, a: &[[u32; PAIRS]; ROWS], b: &[[u32; COLUMNS]; PAIRS], tile: &mut Tile) {
        if self.pairs {
            // SAFETY: as in `multiply_pairs`.
            unsafe { super::avx512::multiply_pair_rows(a, b, tile) }
        } else {
            tiles::multiply_pair_rows(a, b, tile);
        }
    }

    /// Rounds up to eight rows to bytes.
    #[inline]
    pub(crate) fn round(self, rounding: Round<'_>) {
        if self.bytes && rounding.rows.len() == ROWS * rounding.width {
            let Round { rows, width, words, scales, offsets } = rounding;
            // SAFETY: `detect` has seen AVX-512 DQ and VNNI beside what `run` needs.
            unsafe { super::avx512::round(rows, width, words, scales, offsets) }
        } else {
            self.run(rounding);
        }
    }

    /// `tile = a * b`, rounded activations and 4-bit weights.
    #[inline]
    pub(crate) fn multiply_bytes(self, a: Quads<'_>, b: Nibbles<'_>, tile: &mut Tile) {
        if self.bytes {
            // SAFETY: `detect` has seen AVX-512 VNNI beside what `run` needs.
            unsafe { super::avx512::multiply_bytes(a, b, tile) }
        } else {
            tiles::multiply_bytes(a, b, tile);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2(a: &[[f32; ROWS]], b: &[[f32; COLUMNS]], tile: &mut Tile) {
    tiles::multiply::<true, 4, 16>(a, b, tile);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_rows_avx2(a: &Tile, b: &Square, tile: &mut Tile) {
    tiles::multiply_rows::<true>(a, b, tile);
}
