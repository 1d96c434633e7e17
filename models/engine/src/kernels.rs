//! Arithmetic of the encoder, each piece in the widest form this processor has.
//!
//! Products are made of tiles: eight rows of activations times 32 columns of weights, both laid out beforehand so
//! that a tile reads memory in one direction ([`linear`], [`attention`]). A tile is small enough for the registers
//! and its code is written by hand where the compiler does not find it ([`avx512`]); everything between the products
//! is plain Rust, compiled once per instruction set ([`passes`]).

mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod linear;
mod math;
mod passes;
mod processor;
mod tiles;

pub(crate) use attention::{Attention, Scratch as AttentionScratch};
pub(crate) use linear::{Activation, BLOCK_BYTES, Linear, Matrix, Part, Prepared, floats_of};
pub(crate) use passes::{AddNormalise, Norm};
pub(crate) use processor::Processor;

/// Rows of activations in a tile: 16 registers of sums with AVX-512, which hides the latency of its multiply-add.
pub(crate) const ROWS: usize = 8;

/// Columns in a tile: two registers of AVX-512.
pub(crate) const COLUMNS: usize = 32;

/// Pairs of numbers in 32 columns.
pub(crate) const PAIRS: usize = COLUMNS / 2;

/// Numbers that share a scale in the 4-bit format, and in activations rounded for it.
pub(crate) const BLOCK: usize = 32;

/// One tile of a product.
pub(crate) type Tile = [[f32; COLUMNS]; ROWS];

/// 32 rows of 32 numbers.
pub(crate) type Square = [[f32; COLUMNS]; COLUMNS];
