//! The table of shared strings, which runs over many records.

use super::record::Record;
use crate::{Limits, ParseError};

/// Each string of the table, in order.
pub(super) fn read(first: &Record<'_>, more: Vec<&[u8]>, limits: &Limits) -> Result<Vec<String>, ParseError> {
    // What the table claims to hold is not believed: it ends where its bytes end.
    let claimed = first.u32(4).unwrap_or_default();
    let mut pieces = Pieces { current: first.data.get(8..).unwrap_or_default(), more: more.into_iter() };
    let (mut strings, mut bytes) = (Vec::new(), 0_usize);
    for _ in 0..claimed {
        let Some(text) = pieces.string() else { break };
        bytes += text.len();
        limits.check("max_text_bytes", bytes, limits.max_text_bytes)?;
        strings.push(text);
    }
    Ok(strings)
}

/// Bytes that go on in the next record when one ends.
struct Pieces<'s, I: Iterator<Item = &'s [u8]>> {
    current: &'s [u8],
    more: I,
}

impl<'s, I: Iterator<Item = &'s [u8]>> Pieces<'s, I> {
    fn byte(&mut self) -> Option<u8> {
        while self.current.is_empty() {
            self.current = self.more.next()?;
        }
        let (byte, rest) = self.current.split_first()?;
        self.current = rest;
        Some(*byte)
    }

    fn number(&mut self, bytes: u32) -> Option<usize> {
        let mut number = 0;
        for shift in 0..bytes {
            number |= usize::from(self.byte()?) << (8 * shift);
        }
        Some(number)
    }

    /// A string: its length, what follows it, its letters, and then its fonts and its pronunciation, which are left out.
    fn string(&mut self) -> Option<String> {
        let length = self.number(2)?;
        let flags = self.byte()?;
        let runs = if flags & 8 != 0 { self.number(2)? } else { 0 };
        let phonetic = if flags & 4 != 0 { self.number(4)? } else { 0 };
        let text = self.letters(length, flags & 1 != 0)?;
        self.skip(runs.saturating_mul(4).saturating_add(phonetic))?;
        Some(text)
    }

    /// Letters; when the record ends among them the next begins by saying anew how wide they are.
    fn letters(&mut self, length: usize, mut wide: bool) -> Option<String> {
        let mut units: Vec<u16> = Vec::with_capacity(length);
        while units.len() < length {
            if self.current.is_empty() {
                self.current = self.more.next()?;
                wide = self.byte()? & 1 != 0;
                continue;
            }
            let low = u16::from(self.byte()?);
            let high = if wide { u16::from(self.byte()?) } else { 0 };
            units.push(high << 8 | low);
        }
        Some(String::from_utf16_lossy(&units))
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > 0 {
            if self.current.is_empty() {
                self.current = self.more.next()?;
            }
            let step = bytes.min(self.current.len());
            self.current = self.current.get(step..)?;
            bytes -= step;
        }
        Some(())
    }
}
