//! Compressed RTF ([MS-OXRTFCP]): runs of bytes that stood before, found in a ring of 4096.

use crate::{Limits, ParseError};

/// What the ring holds before the first byte.
const BEFORE: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

const RING: usize = 4096;

/// The RTF itself.
///
/// # Errors
/// `Broken` when its head is not one, `TooLarge` when it grows beyond what a text may hold.
pub(super) fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ParseError> {
    let (head, rest) = bytes.split_at_checked(16).ok_or_else(|| ParseError::broken("its body is cut"))?;
    match head.get(8..12) {
        Some(b"LZFu") => inflate(rest, limits),
        Some(b"MELA") => Ok(rest.to_vec()),
        _ => Err(ParseError::broken("its body is compressed in an unknown way")),
    }
}

fn inflate(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ParseError> {
    let mut ring = [b' '; RING];
    if let Some(start) = ring.get_mut(..BEFORE.len()) {
        start.copy_from_slice(BEFORE);
    }
    let mut at = BEFORE.len();
    let mut out = Vec::new();
    let mut put = |byte: u8, at: &mut usize, ring: &mut [u8; RING]| {
        out.push(byte);
        if let Some(place) = ring.get_mut(*at) {
            *place = byte;
        }
        *at = (*at + 1) % RING;
        limits.check("max_text_bytes", out.len(), limits.max_text_bytes)
    };
    let mut rest = bytes.iter().copied();
    'all: while let Some(flags) = rest.next() {
        for bit in 0..8 {
            let Some(first) = rest.next() else { break 'all };
            if flags >> bit & 1 == 0 {
                put(first, &mut at, &mut ring)?;
                continue;
            }
            let Some(second) = rest.next() else { break 'all };
            let from = usize::from(first) << 4 | usize::from(second >> 4);
            if from == at {
                break 'all; // a run that begins where the next byte goes is the end
            }
            for offset in 0..usize::from(second & 15) + 2 {
                let byte = ring.get((from + offset) % RING).copied().unwrap_or_default();
                put(byte, &mut at, &mut ring)?;
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_are_unpacked() {
        // [MS-OXRTFCP] 4.1 and 4.2.
        let simple = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00,
            0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09,
            0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let text = unpack(&simple, &Limits::default()).unwrap();
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(BEFORE.len(), 207);
    }
}
