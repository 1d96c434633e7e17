//! The head of an upstream's answer.

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::torn::Torn;

/// Longest head that is read; the gateway's own limit for clients is about the same.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// Most header lines, as hyper's own limit.
const MOST_LINES: usize = 100;
/// The headers that anybody here looks at; nothing else of the head is kept.
const KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];

/// How far the body reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Length(u64),
    Chunked,
    /// To the end of the connection.
    Close,
}

/// What a head says.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// Those of [`KEPT`].
    pub(super) headers: HeaderMap,
    pub(super) extent: Extent,
    /// Whether the connection serves another request behind the body.
    pub(super) lasts: bool,
}

/// What the lines say about the borders of the message.
#[derive(Debug, Default)]
struct Borders {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    stays: bool,
}

impl Reply {
    /// The head at the beginning of `bytes` and its length; `None` when it is not whole.
    ///
    /// # Errors
    /// When it is not a head of HTTP/1, or two readers could read its borders differently.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Torn> {
        let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
        let mut head = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut lines);
        match parsed.map_err(|_| Torn::Foreign("its head is malformed"))? {
            httparse::Status::Partial if bytes.len() > MOST_HEAD => Err(Torn::Foreign("its head is too large")),
            httparse::Status::Partial => Ok(None),
            httparse::Status::Complete(length) => Ok(Some((Self::of(&head)?, length))),
        }
    }

    fn of(head: &httparse::Response<'_, '_>) -> Result<Self, Torn> {
        let status = StatusCode::from_u16(head.code.unwrap_or_default());
        let status = status.map_err(|_| Torn::Foreign("its status is no status"))?;
        let (mut borders, mut headers) = (Borders::default(), HeaderMap::new());
        for line in head.headers.iter() {
            borders.note(line.name, line.value)?;
            let kept = KEPT.into_iter().find(|kept| line.name.eq_ignore_ascii_case(kept.as_str()));
            if let (Some(name), Ok(value)) = (kept, HeaderValue::from_bytes(line.value)) {
                headers.append(name, value);
            }
        }
        let modern = head.version == Some(1);
        let extent = borders.extent(status, modern)?;
        let lasts = extent != Extent::Close && !borders.closes && (modern || borders.stays);
        Ok(Self { status, headers, extent, lasts })
    }

    /// Whether another head follows: this one only says that the request is being read.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_informational()
    }
}

impl Borders {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Torn> {
        if name.eq_ignore_ascii_case("content-length") {
            let length = number(value).ok_or(Torn::Foreign("its length is no number"))?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(Torn::Foreign("it has two lengths"));
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Torn::Foreign("its transfer encoding is not served"));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= word.eq_ignore_ascii_case(b"close");
                self.stays |= word.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    fn extent(&self, status: StatusCode, modern: bool) -> Result<Extent, Torn> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Torn::Foreign("it speaks another protocol"));
        }
        if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Extent::Length(0));
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Torn::Foreign("it has a length and a transfer encoding")),
            (None, true) if !modern => Err(Torn::Foreign("HTTP/1.0 has no transfer encoding")),
            (None, true) => Ok(Extent::Chunked),
            (Some(length), false) => Ok(Extent::Length(length)),
            (None, false) => Ok(Extent::Close),
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Reply {
        let bytes = format!("{head}\r\n\r\nrest");
        let (reply, length) = Reply::read(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(length, bytes.len() - 4);
        assert!(Reply::read(&bytes.as_bytes()[..length - 1]).unwrap().is_none());
        reply
    }

    #[test]
    fn borders_are_found() {
        let plain = read("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: a/b\r\nX: y");
        assert_eq!((plain.status, plain.extent, plain.lasts), (StatusCode::OK, Extent::Length(12), true));
        assert_eq!((plain.headers.len(), &plain.headers[header::CONTENT_TYPE]), (1, &"a/b".parse().unwrap()));
        let chunked = read("HTTP/1.1 503 Busy\r\ntransfer-encoding: Chunked\r\nRetry-After: 3\r\nconnection: x, Close");
        assert_eq!((chunked.status.as_u16(), chunked.extent, chunked.lasts), (503, Extent::Chunked, false));
        assert_eq!(read("HTTP/1.1 200 OK\r\ndate: now").extent, Extent::Close);
        assert!(!read("HTTP/1.0 200 OK\r\ncontent-length: 3").lasts);
        assert!(read("HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive").lasts);
        assert_eq!(read("HTTP/1.1 204 No\r\ncontent-length: 9").extent, Extent::Length(0));
        assert!(read("HTTP/1.1 100 Continue\r\nx: y").is_interim());
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for lines in [
            "content-length: 3\r\ntransfer-encoding: chunked",
            "content-length: 3\r\ncontent-length: 4",
            "content-length: -3",
            "content-length: 0x3",
            "content-length:",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "content-length : 3",
            "x: y\r\n z",
        ] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
            assert!(Reply::read(bytes.as_bytes()).is_err(), "{lines}");
        }
        for head in ["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked", "HTTP/1.1 101 Up\r\nupgrade: x", "SSH-2.0-x"] {
            assert!(Reply::read(format!("{head}\r\n\r\n").as_bytes()).is_err(), "{head}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MOST_HEAD));
        assert!(Reply::read(endless.as_bytes()).is_err());
    }
}
