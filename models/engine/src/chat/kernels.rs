//! Arithmetic of the forward pass: the products of packed weights with rounded activations, and the loops around
//! them, each in the widest form this processor has.
//!
//! [`Processor::detect`] asks the processor once. Loops are written once in plain Rust and compiled per
//! instruction set ([`isa`]); only the integer products need instructions by name ([`avx512`], [`avx2`]), and
//! [`portable`] is what both are tested against.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
mod lanes;
mod loops;
mod portable;
#[cfg(test)]
mod tests;

pub(crate) use isa::{Kernel, Processor, multiply_add};
pub(crate) use lanes::Lanes;
pub(crate) use loops::{Gate, Normalise, exponential, exponential_of};

use super::{
    architecture::BLOCK,
    packed::{LANES, Tile},
    team::Team,
};

/// Tokens whose activations lie side by side. Eight tokens use 24 of the 32 registers of AVX-512, so a weight is
/// loaded once for all of them.
pub(crate) const GROUP: usize = 8;

/// One block of 32 columns of up to [`GROUP`] tokens, rounded to eight bits.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) struct Block {
    /// Four columns a word, little endian, column 0 first.
    pub(crate) words: [[i32; BLOCK / 4]; GROUP],
    /// What one step is worth.
    pub(crate) scales: [f32; GROUP],
    /// The sum of the steps times the scale: what a minimum of the weights is multiplied with.
    pub(crate) sums: [f32; GROUP],
    /// -128 times the sum of the steps: takes back the offset that makes signed weights unsigned.
    pub(crate) offsets: [i32; GROUP],
}

/// Activations of some tokens, ready for products.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    tokens: usize,
    blocks: usize,
    groups: Vec<Block>,
}

impl Activations {
    /// Rounds `rows`, each `width` numbers (a multiple of 32).
    pub(crate) fn round(processor: Processor, team: &Team, rows: &[f32], width: usize) -> Self {
        let (tokens, blocks) = (rows.len() / width, width / BLOCK);
        let mut groups = vec![Block::default(); tokens.div_ceil(GROUP) * blocks];
        team.each(&mut groups, blocks, |index, blocks| {
            let rows = rows.chunks_exact(width).skip(index * GROUP).take(GROUP);
            for (slot, row) in rows.enumerate() {
                processor.run(loops::Round { row, slot, blocks: &mut *blocks });
            }
        });
        Self { tokens, blocks, groups }
    }

    /// How many tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }
}

/// Multiplies the sixteen rows of a tile with every token; `out` holds sixteen sums per token.
pub(crate) fn multiply(processor: Processor, tile: Tile<'_>, input: &Activations, out: &mut [f32]) {
    let groups = input.groups.chunks_exact(input.blocks.max(1));
    for (blocks, out) in groups.zip(out.chunks_mut(GROUP * LANES)) {
        let out = out.as_chunks_mut::<LANES>().0;
        processor.multiply(tile, blocks, out);
    }
}
