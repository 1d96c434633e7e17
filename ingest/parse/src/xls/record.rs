//! Records of the binary format: a kind, a length, and that many bytes.

pub(super) const BOF: u16 = 0x0809;
pub(super) const EOF: u16 = 0x000a;
pub(super) const FILE_PASS: u16 = 0x002f;
pub(super) const CODE_PAGE: u16 = 0x0042;
pub(super) const DATE_MODE: u16 = 0x0022;
pub(super) const FORMAT: u16 = 0x041e;
pub(super) const XF: u16 = 0x00e0;
pub(super) const SHEET: u16 = 0x0085;
pub(super) const STRINGS: u16 = 0x00fc;
pub(super) const CONTINUE: u16 = 0x003c;
pub(super) const SHARED_TEXT: u16 = 0x00fd;
pub(super) const TEXT: u16 = 0x0204;
pub(super) const RICH_TEXT: u16 = 0x00d6;
pub(super) const NUMBER: u16 = 0x0203;
pub(super) const SHORT_NUMBER: u16 = 0x027e;
pub(super) const SHORT_NUMBERS: u16 = 0x00bd;
pub(super) const FORMULA: u16 = 0x0006;
pub(super) const FORMULA_TEXT: u16 = 0x0207;
pub(super) const BOOL_OR_ERROR: u16 = 0x0205;
pub(super) const MERGES: u16 = 0x00e5;

/// One record. Reading past its end gives `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'s> {
    pub(super) kind: u16,
    pub(super) data: &'s [u8],
}

impl Record<'_> {
    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn f64(&self, at: usize) -> Option<f64> {
        self.array(at).map(f64::from_le_bytes)
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.data.get(at..)?.first_chunk().copied()
    }
}

/// The records of a stream, one after the other.
pub(super) struct Records<'s> {
    rest: &'s [u8],
}

impl<'s> Records<'s> {
    pub(super) fn new(stream: &'s [u8]) -> Self {
        Self { rest: stream }
    }

    /// The pieces that continue the record read last: one holds at most 8224 bytes.
    pub(super) fn continued(&mut self) -> Vec<&'s [u8]> {
        let mut pieces = Vec::new();
        while let Some((record, rest)) = split(self.rest).filter(|(record, _)| record.kind == CONTINUE) {
            pieces.push(record.data);
            self.rest = rest;
        }
        pieces
    }
}

impl<'s> Iterator for Records<'s> {
    type Item = Record<'s>;

    fn next(&mut self) -> Option<Record<'s>> {
        let (record, rest) = split(self.rest)?;
        self.rest = rest;
        Some(record)
    }
}

/// The first record and what follows it; `None` when it is cut.
fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (kind, rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (data, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((Record { kind: u16::from_le_bytes(*kind), data }, rest))
}
