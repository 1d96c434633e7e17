//! The single-file format of the 4-bit multilingual-e5-small.
//!
//! Little endian throughout. The file begins with `E5S1` and a version; then sizes (hidden, layers, heads, inner,
//! vocabulary, positions, token types: i32; epsilon: f32; block: i32), the tokenizer (number of pieces; ids of begin,
//! end, padding and unknown; length of the text; offsets into it; scores; the text), a table of character
//! replacements (count, bytes; per entry the character, a byte with the number of its replacements, these), and a
//! directory of tensors (name, kind 0 for floats and 1 for 4-bit blocks, numbers, offset, bytes).

use std::collections::HashMap;

use super::{RawEncoder, RawLayer, RawLinear, Shape};
use crate::{
    EngineError,
    kernels::{BLOCK, BLOCK_BYTES, Matrix, Norm},
    tokens::UnigramParts,
};

/// Sizes beyond these are no file of this kind; they bound what a damaged one can make us allocate.
const MOST: usize = 1 << 22;

/// What the file holds.
#[derive(Debug)]
pub(crate) struct E5File {
    pub(crate) encoder: RawEncoder,
    pub(crate) tokenizer: UnigramParts,
    /// Ids that stand before and after a text.
    pub(crate) begin: u32,
    pub(crate) end: u32,
}

impl E5File {
    /// Reads the whole file.
    ///
    /// # Errors
    /// `Weights` when it is cut, or no file of this kind.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        Reader { bytes, at: 0 }.file().ok_or_else(|| EngineError::Weights("the e5 file is broken".to_owned()))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn file(&mut self) -> Option<E5File> {
        (self.array::<4>()? == *b"E5S1" && self.word()? == 1).then_some(())?;
        let shape = self.shape()?;
        let (tokenizer, begin, end) = self.tokenizer()?;
        let tensors = self.directory()?;
        let encoder = Tensors { tensors, bytes: self.bytes, shape }.encoder()?;
        Some(E5File { encoder, tokenizer, begin, end })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Option<usize> {
        usize::try_from(self.array().map(u64::from_le_bytes)?).ok()
    }

    fn size(&mut self) -> Option<usize> {
        Some(self.word()? as usize).filter(|size| *size <= MOST)
    }

    fn shape(&mut self) -> Option<Shape> {
        let (hidden, layers, heads, inner) = (self.size()?, self.size()?, self.size()?, self.size()?);
        let (vocabulary, positions, _types) = (self.size()?, self.size()?, self.size()?);
        let epsilon = f32::from_bits(self.word()?);
        let shape = Shape { hidden, layers, heads, inner, vocabulary, positions, epsilon };
        (self.size()? == BLOCK && shape.is_supported()).then_some(shape)
    }

    fn tokenizer(&mut self) -> Option<(UnigramParts, u32, u32)> {
        let count = self.size()?;
        let (begin, end, padding, unknown) = (self.word()?, self.word()?, self.word()?, self.word()?);
        let length = self.long()?;
        let offsets = words(self.take((count + 1) * 4)?);
        let scores = words(self.take(count * 4)?).map(f32::from_bits);
        let text = self.take(length)?;
        let ends = offsets.clone().skip(1);
        let piece = |(start, end): (u32, u32)| str::from_utf8(text.get(start as usize..end as usize)?).ok();
        let pieces = offsets.zip(ends).map(piece).zip(scores);
        let pieces: Vec<(String, f32)> =
            pieces.map(|(piece, score)| Some((piece?.to_owned(), score))).collect::<Option<_>>()?;
        // The mask token of pre-training is the last piece.
        let special = vec![begin, end, padding, count as u32 - 1];
        let replacements = self.replacements()?;
        Some((UnigramParts { pieces, special, unknown, replacements }, begin, end))
    }

    fn replacements(&mut self) -> Option<HashMap<char, Box<[char]>>> {
        let (count, _bytes) = (self.size()?, self.word()?);
        let entry = |_| {
            let letter = char::from_u32(self.word()?)?;
            let [count] = self.array()?;
            let replacement = words(self.take(usize::from(count) * 4)?).map(char::from_u32);
            Some((letter, replacement.collect::<Option<_>>()?))
        };
        (0..count).map(entry).collect()
    }

    fn directory(&mut self) -> Option<HashMap<&'a str, Tensor>> {
        let count = self.size()?;
        let entry = |_| {
            let length = u16::from_le_bytes(self.array()?);
            let name = str::from_utf8(self.take(usize::from(length))?).ok()?;
            let ([kind], numbers) = (self.array()?, self.word()? as usize);
            let (offset, bytes) = (self.long()?, self.long()?);
            Some((name, Tensor { four_bits: kind == 1, numbers, offset, bytes }))
        };
        (0..count).map(entry).collect()
    }
}

/// Little-endian words; a rest of less than four bytes is left out.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + Clone + '_ {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

struct Tensor {
    four_bits: bool,
    numbers: usize,
    offset: usize,
    bytes: usize,
}

struct Tensors<'a> {
    tensors: HashMap<&'a str, Tensor>,
    bytes: &'a [u8],
    shape: Shape,
}

impl Tensors<'_> {
    fn encoder(&self) -> Option<RawEncoder> {
        let shape = self.shape;
        let layers = (0..shape.layers).map(|index| self.layer(index)).collect::<Option<_>>()?;
        Some(RawEncoder {
            shape,
            words: self.matrix("emb.word", shape.vocabulary * shape.hidden)?,
            positions: self.floats("emb.pos", shape.positions * shape.hidden)?,
            kind: self.floats("emb.type", shape.hidden * 2)?.get(..shape.hidden)?.to_vec(),
            norm: self.norm("emb.ln")?,
            layers,
        })
    }

    fn layer(&self, index: usize) -> Option<RawLayer> {
        let Shape { hidden, inner, .. } = self.shape;
        let linear = |name: &str, inputs: usize, outputs: usize| {
            let matrix = self.matrix(&format!("l{index}.{name}.w"), inputs * outputs)?;
            Some(RawLinear { matrix, bias: self.floats(&format!("l{index}.{name}.b"), outputs)? })
        };
        Some(RawLayer {
            query: linear("q", hidden, hidden)?,
            key: linear("k", hidden, hidden)?,
            value: linear("v", hidden, hidden)?,
            output: linear("ao", hidden, hidden)?,
            attention_norm: self.norm(&format!("l{index}.aln"))?,
            up: linear("fi", hidden, inner)?,
            down: linear("fo", inner, hidden)?,
            output_norm: self.norm(&format!("l{index}.oln"))?,
        })
    }

    fn norm(&self, name: &str) -> Option<Norm> {
        let floats = |part: &str| self.floats(&format!("{name}.{part}"), self.shape.hidden);
        Some(Norm { scale: floats("w")?, shift: floats("b")?, epsilon: self.shape.epsilon })
    }

    fn raw(&self, name: &str, numbers: usize, four_bits: bool, bytes: usize) -> Option<&[u8]> {
        let tensor = self.tensors.get(name)?;
        let fits = tensor.numbers == numbers && tensor.four_bits == four_bits && tensor.bytes == bytes;
        fits.then_some(())?;
        self.bytes.get(tensor.offset..tensor.offset.checked_add(bytes)?)
    }

    fn floats(&self, name: &str, numbers: usize) -> Option<Vec<f32>> {
        Some(words(self.raw(name, numbers, false, numbers * 4)?).map(f32::from_bits).collect())
    }

    fn matrix(&self, name: &str, numbers: usize) -> Option<Matrix> {
        let bytes = numbers / BLOCK * BLOCK_BYTES;
        Some(Matrix::Nibbles(self.raw(name, numbers, true, bytes)?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_files_are_refused() {
        for bytes in [&b""[..], b"E5S1", b"GGUF\x01\0\0\0", &[b"E5S1\x01\0\0\0".as_slice(), &[255; 400]].concat()] {
            assert!(matches!(E5File::read(bytes), Err(EngineError::Weights(_))));
        }
    }
}
