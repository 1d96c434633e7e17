//! The child process's side: one file in, one document or error out.
//!
//! # Framing
//!
//! All integers are unsigned and little-endian. The parent writes a request:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `H`, length of the header, at most [`MAX_HEADER_BYTES`] |
//! | `H` | the header, JSON of [`Request`]: `{"filename":"a.pdf","media_type":"application/pdf","limits":{…}}`; `media_type` and `limits` may be left out |
//! | 8 | `N`, length of the file, at most `limits.max_input_bytes` |
//! | `N` | the file |
//!
//! [`serve`] answers with one reply and returns; it may be called again on the same pipes for the next request:
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `R`, length of the reply |
//! | `R` | JSON of [`Reply`]: `{"document":{…}}` or `{"error":{"code":"broken_file","message":"…"}}` |
//!
//! A child that is killed, aborts or runs out of memory leaves fewer than `8 + R` bytes, so a cut reply is never
//! taken for a whole one. [`request_head`] and [`reply`] are the parent's side of the same frames; between them
//! the parent streams the file's bytes as they are.
//!
//! A panic below [`parse`](crate::parse) is caught and answered as `reader_failed`.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::{Document, Hint, Limits, ParseError};

/// Longest header the child accepts; a file name and the limits fit many times.
pub const MAX_HEADER_BYTES: u32 = 64 << 10;

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The name the file was uploaded under.
    pub filename: String,
    /// The media type it was uploaded under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Bounds for this file.
    #[serde(default)]
    pub limits: Limits,
}

/// What the child answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The file was read.
    Document(Document),
    /// It was not.
    Error(Failure),
}

/// A [`ParseError`] as it crosses the pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// [`ParseError::code`].
    pub code: String,
    /// The sentence for the file's owner.
    pub message: String,
}

impl From<&ParseError> for Failure {
    fn from(error: &ParseError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// Reads one request from `input`, parses the file and writes the reply to `output`.
///
/// # Errors
/// Only when the pipe itself fails or the request is not framed as described above; a file that cannot be
/// read is a reply, not an error.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let request = read_header(&mut input)?;
    let reply = match read_file(&mut input, &request.limits)? {
        Ok(bytes) => answer(&request, &bytes),
        Err(error) => Reply::Error(Failure::from(&error)),
    };
    let body = serde_json::to_vec(&reply)?;
    output.write_all(&(body.len() as u64).to_le_bytes())?;
    output.write_all(&body)?;
    output.flush()
}

/// The bytes in front of the file: header length, header and file length.
///
/// # Errors
/// When the header is longer than [`MAX_HEADER_BYTES`].
pub fn request_head(request: &Request, file_bytes: u64) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(request)?;
    let length = u32::try_from(header.len()).ok().filter(|length| *length <= MAX_HEADER_BYTES);
    let length = length.ok_or_else(|| invalid("the request header is too long"))?;
    let mut head = Vec::with_capacity(header.len() + 12);
    head.extend_from_slice(&length.to_le_bytes());
    head.extend_from_slice(&header);
    head.extend_from_slice(&file_bytes.to_le_bytes());
    Ok(head)
}

/// Decodes everything the child wrote.
///
/// # Errors
/// `UnexpectedEof` when the reply is cut, `InvalidData` when it is not a reply.
pub fn reply(output: &[u8]) -> io::Result<Reply> {
    let (length, body) = output.split_first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let body = body.get(..length).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_slice(body)?)
}

fn read_header(input: &mut impl Read) -> io::Result<Request> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(invalid("the request header is too long"));
    }
    let mut header = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut header)?;
    Ok(serde_json::from_slice(&header)?)
}

/// The file, or the limit it exceeds. Memory grows with the bytes that arrive, not with the length that is claimed.
fn read_file(input: &mut impl Read, limits: &Limits) -> io::Result<Result<Vec<u8>, ParseError>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > limits.max_input_bytes {
        // Read to its end all the same, so that the next request is found where it begins.
        io::copy(&mut input.take(length), &mut io::sink())?;
        return Ok(Err(ParseError::TooLarge { limit: "max_input_bytes", allowed: limits.max_input_bytes }));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Ok(bytes))
}

fn answer(request: &Request, bytes: &[u8]) -> Reply {
    let hint = Hint { filename: &request.filename, media_type: request.media_type.as_deref() };
    let parsed = catch_unwind(AssertUnwindSafe(|| crate::parse(bytes, &hint, &request.limits)));
    match parsed.unwrap_or(Err(ParseError::Reader)) {
        Ok(document) => Reply::Document(document),
        Err(error) => Reply::Error(Failure::from(&error)),
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
