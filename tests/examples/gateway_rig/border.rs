//! Where messages of HTTP/1.1 begin and end: as little of it as counting needs.

use std::str;

/// How far a body reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many bytes.
    Length(usize),
    Chunked,
}

/// What the head of a message says of its borders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head with its empty line.
    pub(crate) length: usize,
    pub(crate) body: Extent,
    /// Of a response; 0 of a request.
    pub(crate) status: u16,
    /// The sender closes the connection behind this message.
    pub(crate) closes: bool,
}

impl Head {
    /// The head at the beginning of `bytes`; `None` when it is not whole.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut head = Self { length: end + 4, body: Extent::Length(0), status: 0, closes: false };
        let mut lines = bytes.get(..end)?.split(|byte| *byte == b'\n');
        head.status = status(lines.next()?);
        for line in lines {
            head.note(line);
        }
        Some(head)
    }

    fn note(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            self.body = Extent::Length(number(value).unwrap_or_default());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            self.body = Extent::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close") {
            self.closes = true;
        }
    }
}

/// Of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> u16 {
    let word = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
    number(word).and_then(|status| u16::try_from(status).ok()).unwrap_or_default()
}

fn number(digits: &[u8]) -> Option<usize> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Takes the frame of chunks off a body, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(crate) struct Dechunker {
    place: Place,
    /// The digits of a size that is not whole.
    size: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    SizeEnd,
    Data(usize),
    DataEnd,
    /// Behind the last chunk; how many bytes of a line are here.
    Trailer(usize),
    Done,
}

impl Dechunker {
    /// Whether the body is over.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Appends the data in `bytes` to `out`; how many bytes were taken, fewer than all only at the body's end.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut rest = bytes;
        while let (Some(first), false) = (rest.first(), self.is_done()) {
            let taken = match self.place {
                Place::Data(left) => {
                    let taken = left.min(rest.len());
                    out.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    self.place = if taken == left { Place::DataEnd } else { Place::Data(left - taken) };
                    taken
                }
                _ => {
                    self.step(*first);
                    1
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }

    fn step(&mut self, byte: u8) {
        self.place = match (self.place, byte) {
            (Place::Size | Place::SizeEnd, b'\n') if self.size == 0 => Place::Trailer(0),
            (Place::Size | Place::SizeEnd, b'\n') => Place::Data(std::mem::take(&mut self.size)),
            (Place::Size, digit) => match char::from(digit).to_digit(16) {
                Some(digit) => {
                    self.size = self.size * 16 + digit as usize;
                    Place::Size
                }
                None => Place::SizeEnd,
            },
            (Place::DataEnd, b'\n') => Place::Size,
            (Place::Trailer(0), b'\n') => Place::Done,
            (Place::Trailer(_), b'\n') => Place::Trailer(0),
            (Place::Trailer(held), b'\r') => Place::Trailer(held),
            (Place::Trailer(held), _) => Place::Trailer(held + 1),
            (place, _) => place,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length:  12 \r\nConnection: close\r\n\r\nbody";
        assert_eq!(Head::read(&bytes[..40]), None);
        let head = Head::read(bytes).unwrap();
        assert_eq!((head.length, head.body), (bytes.len() - 4, Extent::Length(12)));
        assert_eq!((head.status, head.closes), (200, true));
        let head = Head::read(b"POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n").unwrap();
        assert_eq!((head.body, head.status, head.closes), (Extent::Chunked, 0, false));
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let body = b"5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\nnext";
        for size in 1..body.len() {
            let (mut chunks, mut out, mut taken) = (Dechunker::default(), Vec::new(), 0);
            for piece in body.chunks(size) {
                taken += chunks.feed(piece, &mut out);
            }
            assert_eq!(out, b"hello0123456789", "pieces of {size}");
            assert!(chunks.is_done() && taken == body.len() - 4, "pieces of {size}");
        }
    }
}
