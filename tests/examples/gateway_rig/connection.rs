//! One connection to what is measured: a request out, an answer in.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::border::{Dechunker, Extent, Head};

/// Longest wait for the next bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Of the answer before: its sender goes.
    closes: bool,
    /// What the head of each answer must hold.
    expected: Vec<u8>,
}

/// What is left of a body whose head has come.
#[derive(Debug)]
pub(crate) enum Left {
    Length(usize),
    Chunked(Dechunker),
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), closes: false, expected: Vec::new() })
    }

    /// From now on an answer whose head does not hold `text` is an error.
    pub(crate) fn expect(&mut self, text: &str) {
        self.expected = text.as_bytes().to_vec();
    }

    /// Whether another request may be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.closes
    }

    /// Sends `request` and reads the whole answer into `body`; how long that took.
    ///
    /// # Errors
    /// When the connection breaks or the status is not 200.
    pub(crate) async fn ask(&mut self, request: &[u8], body: &mut Vec<u8>) -> io::Result<Duration> {
        let begun = Instant::now();
        body.clear();
        let mut left = self.begin(request).await?;
        while self.next(&mut left, body).await? {}
        Ok(begun.elapsed())
    }

    /// Sends `request` and reads the head of its answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn begin(&mut self, request: &[u8]) -> io::Result<Left> {
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = Head::read(&self.buffer) {
                break head;
            }
            self.read().await?;
        };
        let lacks = !holds(self.buffer.get(..head.length).unwrap_or_default(), &self.expected);
        self.buffer.drain(..head.length);
        self.closes = head.closes;
        if head.status != 200 {
            return Err(io::Error::other(format!("status {}: {}", head.status, String::from_utf8_lossy(&self.buffer))));
        }
        if lacks {
            let expected = String::from_utf8_lossy(&self.expected);
            return Err(io::Error::other(format!("the head of an answer lacks `{expected}`")));
        }
        Ok(match head.body {
            Extent::Length(length) => Left::Length(length),
            Extent::Chunked => Left::Chunked(Dechunker::default()),
        })
    }

    /// Appends what comes next of the body; false at its end.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub(crate) async fn next(&mut self, left: &mut Left, body: &mut Vec<u8>) -> io::Result<bool> {
        if left.is_over() {
            return Ok(false);
        }
        if self.buffer.is_empty() {
            self.read().await?;
        }
        let taken = left.take(&self.buffer, body);
        self.buffer.drain(..taken);
        Ok(true)
    }

    async fn read(&mut self) -> io::Result<()> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn holds(head: &[u8], expected: &[u8]) -> bool {
    expected.is_empty() || head.windows(expected.len()).any(|window| window.eq_ignore_ascii_case(expected))
}

impl Left {
    fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
        }
    }

    fn take(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> usize {
        match self {
            Self::Length(left) => {
                let taken = bytes.len().min(*left);
                body.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                *left -= taken;
                taken
            }
            Self::Chunked(chunks) => chunks.feed(bytes, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_holds_what_is_expected_in_any_case() {
        let head = b"HTTP/1.1 200 OK\r\nX-Kubemate-Cache: hit\r\n\r\n";
        assert!(holds(head, b"") && holds(head, b"x-kubemate-cache: hit") && !holds(head, b"x-kubemate-cache: miss"));
    }

    #[test]
    fn a_body_is_over_at_its_length_and_what_follows_stays() {
        let (mut left, mut body) = (Left::Length(3), Vec::new());
        assert_eq!(left.take(b"ab", &mut body), 2);
        assert!(!left.is_over());
        assert_eq!(left.take(b"cd", &mut body), 1);
        assert!(left.is_over() && body == b"abc");
    }
}
