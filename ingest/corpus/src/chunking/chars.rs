//! From bytes to Unicode scalar values.

/// Bytes between two counted places: a look-up counts at most this much again.
const STRIDE: usize = 1024;

/// Answers how many characters stand before a byte, at the cost of a short count.
#[derive(Debug)]
pub(crate) struct CharIndex<'a> {
    text: &'a str,
    /// Characters that begin before byte `n * STRIDE`.
    marks: Vec<u64>,
}

impl<'a> CharIndex<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut before = 0;
        let marks = text.as_bytes().chunks(STRIDE).map(|bytes| {
            let mark = before;
            before += begun(bytes);
            mark
        });
        Self { marks: marks.collect(), text }
    }

    /// Characters that begin before byte `at`.
    pub(crate) fn chars(&self, at: usize) -> u64 {
        let at = at.min(self.text.len());
        let mark = (at / STRIDE).min(self.marks.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(mark * STRIDE..at).unwrap_or_default();
        self.marks.get(mark).copied().unwrap_or_default() + begun(rest)
    }
}

/// Characters whose first byte is among these.
fn begun(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_as_the_standard_library_does(text in "[aä中😀\\n]{0,2000}", part in 0.0..=1.0f64) {
            let index = CharIndex::new(&text);
            let at = text.floor_char_boundary((text.len() as f64 * part) as usize);
            prop_assert_eq!(index.chars(at), text[..at].chars().count() as u64);
            prop_assert_eq!(index.chars(text.len()), text.chars().count() as u64);
        }
    }
}
