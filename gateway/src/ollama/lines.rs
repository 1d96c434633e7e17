//! Lines out of bytes that may be cut anywhere.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line that is waited for.
const MAX_LINE: usize = 8 * 1024 * 1024;

/// Cuts bytes into lines; a line is handed on whole, so never cut inside a character.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// Bytes at the start that hold no line end.
    searched: usize,
}

impl Lines {
    /// More bytes.
    ///
    /// # Errors
    /// When a line does not end.
    pub(crate) fn feed(&mut self, data: &[u8]) -> Result<(), Endless> {
        self.buffer.extend_from_slice(data);
        if self.searched > MAX_LINE { Err(Endless) } else { Ok(()) }
    }

    /// The next whole line without its end; empty ones are left out.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(at) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.remaining();
                return None;
            };
            let line = self.buffer.split_to(self.searched + at + 1).freeze();
            self.searched = 0;
            let line = line.slice_ref(line.trim_ascii());
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// What stands after the last line end.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let rest = self.buffer.split().freeze();
        let rest = rest.slice_ref(rest.trim_ascii());
        Some(rest).filter(|rest| !rest.is_empty())
    }
}

/// A line that does not end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a line of more than 8 MiB")]
pub(crate) struct Endless;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_be_cut_anywhere() {
        let text = "{\"a\":\"手册\"}\n\r\n{\"b\":1}\r\n最后".as_bytes();
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.feed(piece).unwrap();
                found.extend(std::iter::from_fn(|| lines.next()));
            }
            found.extend(lines.rest());
            assert_eq!(found, ["{\"a\":\"手册\"}", "{\"b\":1}", "最后"], "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut lines = Lines::default();
        let outcome = (0..20).try_for_each(|_| {
            lines.feed(&vec![b'x'; 1 << 20])?;
            assert!(lines.next().is_none());
            Ok::<(), Endless>(())
        });
        assert!(outcome.is_err());
    }
}
