//! The body of an answer, taken out of the bytes of its connection.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};

use super::{link::Link, reply::Extent, torn::Torn};

/// Longest line that tells a chunk's size; extensions have no use here.
const MOST_LINE: usize = 256;
/// Longest trailer, all lines together.
const MOST_TRAILER: usize = 16 * 1024;

/// Where in a body its reader stands.
#[derive(Debug)]
pub(super) enum Incoming {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunk),
    /// To the end of the connection.
    Close,
    Done,
}

/// Where in the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    /// The line end behind the data.
    End,
    /// Behind the last chunk; so many bytes of lines were there.
    Trailer(usize),
}

impl Incoming {
    pub(super) fn new(extent: Extent) -> Self {
        match extent {
            Extent::Length(0) => Self::Done,
            Extent::Length(length) => Self::Length(length),
            Extent::Chunked => Self::Chunked(Chunk::Size),
            Extent::Close => Self::Close,
        }
    }

    /// Whether nothing more comes.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Bytes to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Done => Some(0),
            Self::Chunked(_) | Self::Close => None,
        }
    }

    /// The next piece; none at the end.
    pub(super) fn poll(&mut self, link: &mut Link, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Torn>> {
        loop {
            if self.is_done() {
                return Poll::Ready(Ok(None));
            }
            if let Some(piece) = self.take(&mut link.read)? {
                return Poll::Ready(Ok(Some(piece)));
            }
            if !self.is_done() && ready!(link.poll_fill(context))? == 0 {
                return Poll::Ready(self.ended().map(|()| None));
            }
        }
    }

    /// The other side has closed.
    fn ended(&mut self) -> Result<(), Torn> {
        match std::mem::replace(self, Self::Done) {
            Self::Close | Self::Done => Ok(()),
            Self::Length(_) | Self::Chunked(_) => Err(Torn::Ended),
        }
    }

    /// What is there of the body, if anything.
    fn take(&mut self, read: &mut BytesMut) -> Result<Option<Bytes>, Torn> {
        if read.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Done => Ok(None),
            Self::Close => Ok(Some(read.split().freeze())),
            Self::Length(left) => {
                let piece = piece(read, left);
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Some(piece))
            }
            Self::Chunked(at) => {
                let (data, done) = chunks(at, read)?;
                if done {
                    *self = Self::Done;
                }
                Ok(data)
            }
        }
    }
}

/// At most `left` bytes, which is less by them.
fn piece(read: &mut BytesMut, left: &mut u64) -> Bytes {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= taken as u64;
    read.split_to(taken).freeze()
}

/// The data of all chunks that are there, and whether the body is over. One chunk leaves in the buffer it came in.
fn chunks(at: &mut Chunk, read: &mut BytesMut) -> Result<(Option<Bytes>, bool), Torn> {
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    let mut done = false;
    while !done && !read.is_empty() {
        match at {
            Chunk::Data(left) => {
                let data = piece(read, left);
                if *left == 0 {
                    *at = Chunk::End;
                }
                match &first {
                    None => first = Some(data),
                    Some(before) => {
                        if joined.is_empty() {
                            joined.extend_from_slice(before);
                        }
                        joined.extend_from_slice(&data);
                    }
                }
            }
            Chunk::Size | Chunk::End | Chunk::Trailer(_) => match line(read)? {
                Some(length) => done = after_line(at, read, length)?,
                None => break,
            },
        }
    }
    let data = if joined.is_empty() { first } else { Some(joined.freeze()) };
    Ok((data, done))
}

/// The length of the next line without its end; none when it is not whole.
fn line(read: &BytesMut) -> Result<Option<usize>, Torn> {
    match memchr::memchr(b'\n', read) {
        Some(end) if end > MOST_TRAILER => Err(Torn::Foreign("a line between chunks is too long")),
        Some(end) if end > 0 && read.get(end - 1) == Some(&b'\r') => Ok(Some(end - 1)),
        Some(_) => Err(Torn::Foreign("a line between chunks ends in a bare line feed")),
        None if read.len() > MOST_TRAILER => Err(Torn::Foreign("a line between chunks is too long")),
        None => Ok(None),
    }
}

/// Goes on behind a line, which is taken; whether the body is over.
fn after_line(at: &mut Chunk, read: &mut BytesMut, length: usize) -> Result<bool, Torn> {
    let line = read.get(..length).unwrap_or_default();
    *at = match *at {
        Chunk::End if length == 0 => Chunk::Size,
        Chunk::End => return Err(Torn::Foreign("a chunk is longer than it says")),
        Chunk::Trailer(_) if length == 0 => {
            read.advance(2);
            return Ok(true);
        }
        Chunk::Trailer(before) if before + length > MOST_TRAILER => {
            return Err(Torn::Foreign("the trailer is too long"));
        }
        Chunk::Trailer(before) => Chunk::Trailer(before + length),
        Chunk::Size | Chunk::Data(_) => match size(line)? {
            0 => Chunk::Trailer(0),
            size => Chunk::Data(size),
        },
    };
    read.advance(length + 2);
    Ok(false)
}

fn size(line: &[u8]) -> Result<u64, Torn> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let fits = (1..=15).contains(&text.len()) && line.len() <= MOST_LINE;
    if !fits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Torn::Foreign("a chunk's size is no number"));
    }
    u64::from_str_radix(text, 16).map_err(|_| Torn::Foreign("a chunk's size is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All data, and what is left behind the body; the same however the bytes are cut.
    fn taken(extent: Extent, bytes: &[u8]) -> Result<(Vec<u8>, bool, Vec<u8>), Torn> {
        let read = |size: usize| {
            let (mut incoming, mut held, mut out) = (Incoming::new(extent), BytesMut::new(), Vec::new());
            for piece in bytes.chunks(size) {
                held.extend_from_slice(piece);
                while let Some(data) = incoming.take(&mut held)? {
                    out.extend_from_slice(&data);
                }
            }
            Ok((out, incoming.is_done(), held.to_vec()))
        };
        let whole = read(bytes.len());
        for size in 1..bytes.len() {
            match (&whole, read(size)) {
                (Ok(whole), Ok(cut)) => assert_eq!(*whole, cut),
                (Err(_), Err(_)) => {}
                (whole, cut) => panic!("{whole:?} {cut:?}"),
            }
        }
        whole
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let body = b"5;x=y\r\nhello\r\nA \r\n0123456789\r\n0\r\nx-t: 1\r\n\r\nnext";
        assert_eq!(taken(Extent::Chunked, body).unwrap(), (b"hello0123456789".to_vec(), true, b"next".to_vec()));
        assert_eq!(taken(Extent::Chunked, b"3\r\nabc\r\n").unwrap(), (b"abc".to_vec(), false, Vec::new()));
    }

    #[test]
    fn lengths_end_where_they_say() {
        assert_eq!(taken(Extent::Length(3), b"abcdef").unwrap(), (b"abc".to_vec(), true, b"def".to_vec()));
        assert_eq!(taken(Extent::Length(9), b"abc").unwrap(), (b"abc".to_vec(), false, Vec::new()));
        assert_eq!(taken(Extent::Close, b"abc").unwrap(), (b"abc".to_vec(), false, Vec::new()));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for body in
            ["5\nhello\r\n", "5\r\nhelloo\r\n", "x\r\n", "\r\n", "-1\r\n", "0x5\r\nhello", "1000000000000000\r\n"]
        {
            assert!(taken(Extent::Chunked, body.as_bytes()).is_err(), "{body}");
        }
        assert!(taken(Extent::Chunked, &[b'1'; MOST_TRAILER + 2]).is_err());
    }

    #[test]
    fn a_body_that_is_cut_is_told_from_one_that_ends_with_its_connection() {
        assert!(Incoming::new(Extent::Close).ended().is_ok());
        assert!(Incoming::new(Extent::Length(1)).ended().is_err());
        assert!(Incoming::new(Extent::Chunked).ended().is_err());
    }
}
