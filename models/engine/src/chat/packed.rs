//! Weight matrices, laid out so that sixteen rows are computed at once.
//!
//! A tile is sixteen rows; a block is 32 columns. Vector `v` of a block holds, for each of the sixteen rows, the
//! four bytes of columns `4v..4v+4`, so a processor lane adds up one row and no sum across lanes is ever needed.
//! Four-bit blocks keep the nibble order of the file: the low half of byte `i` is column `i`, the high half
//! column `i + 16`.

use candle_core::quantized::GgmlDType;
use half::f16;

use super::{architecture::BLOCK, gguf::RawTensor};
use crate::EngineError;

/// Rows of a tile.
pub(crate) const LANES: usize = 16;

/// Four bytes of each of sixteen rows; aligned to a cache line, since a split load costs twice.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Quants(pub(crate) [u8; 64]);

/// One number for each row of a tile, as the file stores it.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Halves(pub(crate) [f16; LANES]);

/// How the numbers of a matrix are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Unsigned four bits times a scale plus a minimum: Q4_1 and Q4_0 of the file, without loss.
    Four,
    /// Signed eight bits times a scale: Q8_0 of the file without loss, anything else rounded to it.
    Eight,
}

/// A matrix of weights.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    form: Form,
    quants: Vec<Quants>,
    scales: Vec<Halves>,
    minima: Vec<Halves>,
}

/// A view of the sixteen rows of one tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tile<'a> {
    pub(crate) form: Form,
    pub(crate) quants: &'a [Quants],
    pub(crate) scales: &'a [Halves],
    /// Empty for [`Form::Eight`].
    pub(crate) minima: &'a [Halves],
}

impl Form {
    /// Vectors of one block.
    pub(crate) fn vectors(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

impl Matrix {
    /// Lays out a tensor of the file.
    pub(crate) fn pack(raw: &RawTensor) -> Result<Self, EngineError> {
        if !raw.columns.is_multiple_of(BLOCK) {
            return Err(EngineError::Weights(format!("{} columns are not a multiple of {BLOCK}", raw.columns)));
        }
        let form = match raw.kind {
            GgmlDType::Q4_0 | GgmlDType::Q4_1 => Form::Four,
            _ => Form::Eight,
        };
        let mut matrix = Self::zeros(raw.rows, raw.columns, form);
        match raw.kind {
            GgmlDType::Q4_0 | GgmlDType::Q4_1 | GgmlDType::Q8_0 => matrix.take(raw),
            _ => matrix.round(&raw.floats()?),
        }
        Ok(matrix)
    }

    fn zeros(rows: usize, columns: usize, form: Form) -> Self {
        let blocks = rows.div_ceil(LANES) * (columns / BLOCK);
        let empty = Halves([f16::ZERO; LANES]);
        let minima = if form == Form::Four { vec![empty; blocks] } else { Vec::new() };
        let quants = vec![Quants([0; 64]); blocks * form.vectors()];
        Self { rows, columns, form, quants, scales: vec![empty; blocks], minima }
    }

    /// Copies blocks that are already in a form of ours.
    fn take(&mut self, raw: &RawTensor) {
        let size = raw.kind.type_size();
        let blocks = self.columns / BLOCK;
        for (index, stored) in raw.data.chunks_exact(size).enumerate() {
            let (row, block) = (index / blocks, index % blocks);
            let Some(([low, high], rest)) = stored.split_first_chunk::<2>().map(|(head, rest)| (*head, rest)) else {
                continue;
            };
            let scale = f16::from_le_bytes([low, high]);
            match raw.kind {
                GgmlDType::Q4_1 => {
                    let Some((minimum, quants)) = rest.split_first_chunk::<2>() else { continue };
                    self.set(row, block, scale, f16::from_le_bytes(*minimum), quants);
                }
                // A stored 0 means -8: the same numbers as a minimum of -8 scales.
                GgmlDType::Q4_0 => self.set(row, block, scale, f16::from_f32(-8.0 * scale.to_f32()), rest),
                _ => self.set(row, block, scale, f16::ZERO, rest),
            }
        }
    }

    /// Rounds numbers to eight bits, block by block.
    fn round(&mut self, floats: &[f32]) {
        let blocks = self.columns / BLOCK;
        for (index, numbers) in floats.chunks_exact(BLOCK).enumerate() {
            let largest = numbers.iter().fold(0.0f32, |most, number| most.max(number.abs()));
            let scale = f16::from_f32(largest / 127.0);
            let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
            let quants: Vec<u8> =
                numbers.iter().map(|number| (number * inverse).round().clamp(-127.0, 127.0) as i8 as u8).collect();
            self.set(index / blocks, index % blocks, scale, f16::ZERO, &quants);
        }
    }

    fn set(&mut self, row: usize, block: usize, scale: f16, minimum: f16, quants: &[u8]) {
        let (tile, lane) = (row / LANES, row % LANES);
        let at = tile * (self.columns / BLOCK) + block;
        let put = |halves: &mut [Halves], number: f16| {
            if let Some(slot) = halves.get_mut(at).and_then(|halves| halves.0.get_mut(lane)) {
                *slot = number;
            }
        };
        put(&mut self.scales, scale);
        put(&mut self.minima, minimum);
        let vectors = self.form.vectors();
        let places = self.quants.iter_mut().skip(at * vectors).take(vectors);
        for (vector, bytes) in places.zip(quants.as_chunks::<4>().0) {
            if let Some(place) = vector.0.as_chunks_mut::<4>().0.get_mut(lane) {
                *place = *bytes;
            }
        }
    }

    /// Rows of the matrix, without the padding of the last tile.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Tiles of the matrix.
    pub(crate) fn tiles(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// The weights of one tile; empty past the end.
    pub(crate) fn tile(&self, index: usize) -> Tile<'_> {
        let blocks = self.columns / BLOCK;
        let vectors = blocks * self.form.vectors();
        let part = |index: usize, length: usize| index * length..(index + 1) * length;
        Tile {
            form: self.form,
            quants: self.quants.get(part(index, vectors)).unwrap_or_default(),
            scales: self.scales.get(part(index, blocks)).unwrap_or_default(),
            minima: self.minima.get(part(index, blocks)).unwrap_or_default(),
        }
    }

    /// Decodes one row into `out`, as an embedding table is read.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let tile = self.tile(row / LANES);
        let lane = row % LANES;
        let vectors = tile.quants.chunks_exact(self.form.vectors());
        for (block, (out, vectors)) in out.chunks_exact_mut(BLOCK).zip(vectors).enumerate() {
            let number = |halves: &[Halves]| {
                halves.get(block).and_then(|halves| halves.0.get(lane)).map_or(0.0, |number| number.to_f32())
            };
            let (scale, minimum) = (number(tile.scales), number(tile.minima));
            let bytes = vectors.iter().filter_map(|vector| vector.0.as_chunks::<4>().0.get(lane)).flatten();
            match self.form {
                Form::Eight => {
                    for (out, byte) in out.iter_mut().zip(bytes) {
                        *out = f32::from(*byte as i8) * scale;
                    }
                }
                Form::Four => {
                    let (low, high) = out.split_at_mut(BLOCK / 2);
                    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
                        *low = f32::from(byte & 15) * scale + minimum;
                        *high = f32::from(byte >> 4) * scale + minimum;
                    }
                }
            }
        }
    }
}
