//! Follows HTTP/1 message borders in the raw bytes of a connection and refuses what the parser behind would forgive.
//!
//! hyper accepts bare line feeds, drops `content-length` when `transfer-encoding` is present and takes several `host`
//! lines; each of these has been used to smuggle requests past a proxy. The borders are followed here, before hyper
//! sees a byte, so that one request can be refused without trusting what it says about its own length.

use std::str;

use http::Uri;

use super::{frames::Frames, violation::Violation};

/// Longest request head: request line and all header lines. Envoy's edge guide uses 60 KiB.
const MAX_HEAD_BYTES: usize = 60 * 1024;
/// Most header lines of one request, as in Envoy's edge guide.
const MAX_HEADERS: usize = 100;
/// Longest chunk-size line or trailer line; chunk extensions have no use here.
const MAX_CHUNK_LINE: usize = 256;
/// Longest body a head may announce. hyper keeps the largest numbers for itself; no file is near this one.
const MAX_LENGTH: u64 = i64::MAX as u64;
/// The first bytes of an HTTP/2 connection with prior knowledge (RFC 9113, section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where in the byte stream the connection stands.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    /// HTTP/2: framed and bounded by h2 itself; followed only as far as deadlines need.
    Through(Frames),
}

/// The framing state of one connection, fed with every byte it sends.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    line: Vec<u8>,
    first: bool,
    /// An empty line came where a request line belongs; a second one is refused.
    blank: bool,
    /// Whole heads so far.
    heads: u64,
}

impl Default for Framing {
    fn default() -> Self {
        Self { place: Place::Head, line: Vec::new(), first: true, blank: false, heads: 0 }
    }
}

impl Framing {
    /// Whether the connection is between two requests and nothing of the next has come.
    pub(super) fn is_idle(&self) -> bool {
        self.place == Place::Head && self.line.is_empty() && !self.blank
    }

    /// Whether a request head is due: it is partly here, or it is the first of an HTTP/2 connection.
    pub(super) fn in_head(&self) -> bool {
        match &self.place {
            Place::Head => !self.line.is_empty() || self.blank,
            Place::Through(frames) => self.heads == 0 || frames.in_block(),
            _ => false,
        }
    }

    /// Whether nothing of a head is here but the empty line that some clients send behind a body.
    pub(super) fn only_blank(&self) -> bool {
        self.place == Place::Head && self.line.is_empty() && self.blank
    }

    /// Whether body bytes of HTTP/1 are expected next.
    pub(super) fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head | Place::Through(_))
    }

    /// Whether this is HTTP/2 and no header block is half here: such a connection can be ended politely.
    pub(super) fn between_blocks(&self) -> bool {
        matches!(&self.place, Place::Through(frames) if !frames.in_block())
    }

    /// Whether the client speaks HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.place, Place::Through(_))
    }

    /// Whole heads so far: only these are progress.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// How many bytes may go straight to the reader without being followed one by one.
    pub(super) fn open_road(&self) -> u64 {
        match self.place {
            Place::Body(left) => left,
            Place::Through(_) => u64::MAX,
            _ => 0,
        }
    }

    /// Follows `bytes` and tells how many of them may be handed on: whole heads and body bytes, no part of a head.
    ///
    /// # Errors
    /// The violation, and how many of `bytes` belong to requests before the offending one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<usize, (Violation, usize)> {
        let mut rest = bytes;
        let mut good = 0;
        while !rest.is_empty() {
            let taken = self.step(rest).map_err(|violation| (violation, good))?;
            rest = rest.get(taken..).unwrap_or_default();
            if self.place != Place::Head || self.is_idle() {
                good = bytes.len() - rest.len();
            }
        }
        Ok(good)
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        match &mut self.place {
            Place::Through(frames) => {
                self.heads += frames.feed(bytes);
                Ok(bytes.len())
            }
            _ => self.step_http1(bytes),
        }
    }

    fn step_http1(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        match self.place {
            Place::Body(left) => Ok(self.skip(bytes, left, Place::Head, Place::Body)),
            Place::ChunkData(left) => Ok(self.skip(bytes, left, Place::ChunkEnd, Place::ChunkData)),
            Place::ChunkSize | Place::ChunkEnd | Place::Trailer => self.chunk_line(bytes),
            Place::Head | Place::Through(_) => self.head(bytes),
        }
    }

    fn skip(&mut self, bytes: &[u8], left: u64, done: Place, more: fn(u64) -> Place) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - taken as u64;
        self.place = if left == 0 { done } else { more(left) };
        taken
    }

    /// Collects a head until its empty line; every line feed must follow a carriage return.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        if let Some(head) = whole_head(bytes).filter(|_| self.line.is_empty()) {
            let place = body_place(head)?;
            self.begin_body(place);
            return Ok(head.len());
        }
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let piece = bytes.get(..end).unwrap_or_default();
        if self.line.len() + piece.len() > MAX_HEAD_BYTES {
            return Err(Violation::HeadTooLarge);
        }
        self.line.extend_from_slice(piece);
        if self.first && self.line.len() >= H2_PREFACE.len() && self.line.starts_with(H2_PREFACE) {
            self.place = Place::Through(Frames::default());
            self.line = Vec::new();
            return Ok(end);
        }
        if self.line.ends_with(b"\n") && !self.line.ends_with(b"\r\n") {
            return Err(Violation::BareLineFeed);
        }
        if self.line == b"\r\n" {
            self.skip_blank()?;
        } else if self.line.ends_with(b"\r\n\r\n") && !self.may_be_preface() {
            let place = body_place(&self.line)?;
            self.begin_body(place);
        }
        Ok(end)
    }

    /// A head is whole.
    fn begin_body(&mut self, place: Place) {
        self.line.clear();
        self.first = false;
        self.blank = false;
        self.heads += 1;
        self.place = place;
    }

    /// RFC 9112 section 2.2: an empty line before the request line is ignored. One is what old clients send; more are
    /// a way to seem alive.
    fn skip_blank(&mut self) -> Result<(), Violation> {
        if self.blank {
            return Err(Violation::MalformedHead);
        }
        self.line.clear();
        self.blank = true;
        self.first = false; // hyper takes no preface behind it either
        Ok(())
    }

    fn may_be_preface(&self) -> bool {
        self.first && H2_PREFACE.starts_with(&self.line)
    }

    fn chunk_line(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(bytes.get(..end).unwrap_or_default());
        if self.line.len() > MAX_CHUNK_LINE {
            return Err(Violation::Chunk);
        }
        if self.line.ends_with(b"\n") {
            let next = self.after_line()?;
            self.line.clear();
            self.place = next;
        }
        Ok(end)
    }

    fn after_line(&self) -> Result<Place, Violation> {
        let line = self.line.strip_suffix(b"\r\n").ok_or(Violation::BareLineFeed)?;
        match self.place {
            Place::ChunkEnd if line.is_empty() => Ok(Place::ChunkSize),
            Place::ChunkEnd => Err(Violation::Chunk),
            Place::Trailer if line.is_empty() => Ok(Place::Head),
            Place::Trailer => Ok(Place::Trailer),
            _ => Ok(match chunk_size(line)? {
                0 => Place::Trailer,
                size => Place::ChunkData(size),
            }),
        }
    }
}

/// A head that is here as a whole, as most are, so that nothing of it need be kept: no preface, no empty line before it,
/// and no line feed without its carriage return. For any other the lines are collected one by one.
fn whole_head(bytes: &[u8]) -> Option<&[u8]> {
    let first = bytes.first()?;
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = bytes.get(..end).filter(|head| head.len() <= MAX_HEAD_BYTES)?;
    let bare = |at: usize| at == 0 || head.get(at - 1) != Some(&b'\r');
    let plain = !matches!(first, b'P' if head.starts_with(b"PRI")) && *first != b'\r';
    (plain && !memchr::memchr_iter(b'\n', head).any(bare)).then_some(head)
}

fn chunk_size(line: &[u8]) -> Result<u64, Violation> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    let text = str::from_utf8(digits).map_err(|_| Violation::Chunk)?;
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Violation::Chunk);
    }
    u64::from_str_radix(text, 16).map_err(|_| Violation::Chunk)
}

/// What one head says about itself, collected line by line.
#[derive(Default)]
struct HeadFacts<'a> {
    hosts: Vec<&'a [u8]>,
    lengths: Vec<&'a [u8]>,
    encodings: Vec<&'a [u8]>,
}

fn body_place(head: &[u8]) -> Result<Place, Violation> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or(Violation::MalformedHead)?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request = lines.next().ok_or(Violation::MalformedHead)?;
    let facts = header_facts(lines)?;
    check_request_line(request, &facts)?;
    match (facts.lengths.as_slice(), facts.encodings.as_slice()) {
        ([], []) | ([b"0"], []) => Ok(Place::Head),
        ([length], []) => content_length(length),
        ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") => Ok(Place::ChunkSize),
        _ => Err(Violation::Length),
    }
}

fn header_facts<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<HeadFacts<'a>, Violation> {
    let mut facts = HeadFacts::default();
    for (count, line) in lines.enumerate() {
        if count >= MAX_HEADERS {
            return Err(Violation::HeadTooLarge);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Violation::MalformedHead)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Violation::MalformedHead)?;
        let value = value.get(1..).unwrap_or_default();
        if !is_word(name) || !value.iter().all(|byte| is_field(*byte)) {
            return Err(Violation::MalformedHead);
        }
        let value = value.trim_ascii();
        match name {
            name if name.eq_ignore_ascii_case(b"host") => facts.hosts.push(value),
            name if name.eq_ignore_ascii_case(b"content-length") => facts.lengths.push(value),
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => facts.encodings.push(value),
            _ => {}
        }
    }
    Ok(facts)
}

fn check_request_line(line: &[u8], facts: &HeadFacts<'_>) -> Result<(), Violation> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return Err(Violation::MalformedHead);
    };
    if !is_word(method) || !(*version == b"HTTP/1.1" || *version == b"HTTP/1.0") {
        return Err(Violation::MalformedHead);
    }
    if *method == b"CONNECT" {
        return Err(Violation::Method);
    }
    if *version == b"HTTP/1.0" && !facts.encodings.is_empty() {
        return Err(Violation::Length);
    }
    let [host] = facts.hosts.as_slice() else {
        return Err(Violation::Host);
    };
    if !is_host(host) {
        return Err(Violation::Host);
    }
    check_target(target, host)
}

fn check_target(target: &[u8], host: &[u8]) -> Result<(), Violation> {
    // hyper's own reading: what it would refuse without a word is refused here with one.
    if target.iter().any(|byte| matches!(byte, b'#' | 0x7f)) || Uri::try_from(target).is_err() {
        return Err(Violation::Target);
    }
    if target.starts_with(b"/") || target == b"*" {
        return Ok(());
    }
    let text = str::from_utf8(target).map_err(|_| Violation::Target)?;
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(Violation::Target)?;
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    if authority.as_bytes().eq_ignore_ascii_case(host) { Ok(()) } else { Err(Violation::Target) }
}

fn content_length(value: &[u8]) -> Result<Place, Violation> {
    let text = str::from_utf8(value).map_err(|_| Violation::Length)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Violation::Length);
    }
    match text.parse::<u64>().map_err(|_| Violation::Length)? {
        0 => Ok(Place::Head),
        length if length > MAX_LENGTH => Err(Violation::Length),
        length => Ok(Place::Body(length)),
    }
}

fn is_word(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token(*byte))
}

/// RFC 9110 section 5.5: the bytes of a field's value; of the controls only the tab.
fn is_field(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// RFC 9110 section 5.6.2: the characters of a token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `host` may stand in a `host` line: no user before it, no path behind it.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+,;=".contains(byte);
    !host.is_empty() && host.len() <= 255 && host.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed_whole(bytes: &[u8]) -> Result<Framing, Violation> {
        let mut framing = Framing::default();
        framing.feed(bytes).map_err(|(violation, _)| violation)?;
        Ok(framing)
    }

    /// The verdict must not depend on how the network cuts the bytes.
    fn feed_bytewise(bytes: &[u8]) -> Result<Framing, Violation> {
        let mut framing = Framing::default();
        for byte in bytes {
            framing.feed(std::slice::from_ref(byte)).map_err(|(violation, _)| violation)?;
        }
        Ok(framing)
    }

    fn refused(bytes: &[u8]) -> Violation {
        let whole = feed_whole(bytes).unwrap_err();
        assert_eq!(whole, feed_bytewise(bytes).unwrap_err());
        whole
    }

    fn accepted(bytes: &[u8]) -> Framing {
        assert!(feed_bytewise(bytes).unwrap().is_idle());
        feed_whole(bytes).unwrap()
    }

    #[test]
    fn ordinary_requests_pass_one_after_another() {
        let framing = accepted(
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /v1 HTTP/1.1\r\nhost: a:80\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        assert!(framing.is_idle());
    }

    #[test]
    fn chunked_bodies_are_followed_to_their_end() {
        accepted(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }

    #[test]
    fn a_bare_line_feed_is_refused() {
        assert_eq!(refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Violation::BareLineFeed);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n"), Violation::BareLineFeed);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n"), Violation::BareLineFeed);
    }

    #[test]
    fn length_and_encoding_together_are_refused() {
        let both = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refused(both), Violation::Length);
        let twice = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(refused(twice), Violation::Length);
        let signed = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\n";
        assert_eq!(refused(signed), Violation::Length);
        let odd = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n";
        assert_eq!(refused(odd), Violation::Length);
    }

    #[test]
    fn exactly_one_valid_host_is_required() {
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), Violation::Host);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Violation::Host);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Violation::Host);
    }

    #[test]
    fn absolute_form_must_match_the_host() {
        accepted(b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::Target);
    }

    #[test]
    fn malformed_heads_are_refused() {
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"), Violation::MalformedHead);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), Violation::MalformedHead);
        assert_eq!(refused(b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::MalformedHead);
        assert_eq!(refused(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::Method);
        let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES));
        assert_eq!(refused(large.as_bytes()), Violation::HeadTooLarge);
    }

    #[test]
    fn what_hyper_would_refuse_without_a_word_is_refused_here() {
        for target in ["/a\0", "/<a>", "/a b", "/a#b", "/\x7f", "http://[a/"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: [a\r\n\r\n");
            let violation = refused(head.as_bytes());
            assert!(matches!(violation, Violation::Target | Violation::MalformedHead), "{target}: {violation:?}");
        }
        assert_eq!(refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::Target);
        assert_eq!(refused(b" / HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::MalformedHead);
        for value in ["a\x01b", "a\x7fb", "a\0b", "a\rb"] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n");
            assert_eq!(refused(head.as_bytes()), Violation::MalformedHead, "{value:?}");
        }
        accepted("GET /a?b=[c]|d HTTP/1.1\r\nHost: a\r\nX: \u{e9}\tb\r\n\r\n".as_bytes());
        for length in ["18446744073709551615", "9223372036854775808", "99999999999999999999999"] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(refused(head.as_bytes()), Violation::Length, "{length}");
        }
    }

    #[test]
    fn one_empty_line_before_a_request_is_forgiven_and_is_no_progress() {
        let mut framing = Framing::default();
        assert_eq!(framing.feed(b"\r\n"), Ok(0), "nothing is handed on");
        assert!(framing.in_head() && framing.only_blank() && !framing.is_idle());
        framing.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((framing.heads(), framing.is_idle()), (1, true));
        accepted(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(b"\r\n\r\n"), Violation::MalformedHead);
        assert_eq!(refused(b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Violation::MalformedHead);
        assert_eq!(refused(b"\r\nPRI * HTTP/2.0\r\n\r\n"), Violation::MalformedHead);
    }

    #[test]
    fn http2_is_left_to_its_own_framing() {
        let mut framing = Framing::default();
        framing.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0").unwrap();
        assert!(!framing.is_idle() && !framing.in_body());
        assert!(framing.in_head() && framing.between_blocks(), "the first head is due");
        framing.feed(b"\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01").unwrap();
        assert!(framing.in_head() && !framing.between_blocks(), "half a head");
        framing.feed(b"a").unwrap();
        assert!(!framing.in_head() && framing.heads() == 1);
    }

    #[test]
    fn requests_before_the_bad_one_are_kept() {
        let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut bytes = good.to_vec();
        bytes.extend_from_slice(b"GET / HTTP/1.1\nHost: a\r\n\r\n");
        let (violation, kept) = Framing::default().feed(&bytes).unwrap_err();
        assert_eq!((violation, kept), (Violation::BareLineFeed, good.len()));
    }
}
