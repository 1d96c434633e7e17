//! Who turns bytes into a document for the ingest.

use std::fmt;

use async_trait::async_trait;
use kubemate_objects::{ByteStream, collect};
use kubemate_parse::{Document, Hint, Limits, ParseError};

use crate::child::{PARSE_CRASHED, PARSE_TIMEOUT};

/// What is known about a file before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The name it was uploaded under.
    pub filename: String,
    /// The media type it was uploaded under.
    pub media_type: Option<String>,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The codes of failures that lie in the file: sending the same file again fails again.
pub const FILE_CODES: [&str; 10] = [
    "unsupported_file",
    "encrypted_file",
    "broken_file",
    "empty_file",
    "no_text",
    "unknown_encoding",
    "too_large",
    "reader_failed",
    PARSE_CRASHED,
    PARSE_TIMEOUT,
];

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFailure {
    /// A stable word for machines: those of [`ParseError::code`] and of [`ChildParser`](crate::ChildParser).
    pub code: String,
    /// A sentence for the file's owner.
    pub message: String,
    /// Whether the same file may be read later: the reader, not the file, was the trouble.
    pub is_transient: bool,
}

impl ParseFailure {
    pub(crate) fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), is_transient: false }
    }

    pub(crate) fn transient(code: &str, message: impl Into<String>) -> Self {
        Self { is_transient: true, ..Self::permanent(code, message) }
    }
}

impl From<ParseError> for ParseFailure {
    fn from(error: ParseError) -> Self {
        Self::permanent(error.code(), error.to_string())
    }
}

/// Reads documents.
///
/// Every adapter guarantees: the same bytes give the same document or the same failure; a file that is hostile costs the
/// caller time at most, never the process; dropping the future stops the work.
#[async_trait]
pub trait DocumentParser: fmt::Debug + Send + Sync + 'static {
    /// Reads one file from its bytes.
    ///
    /// # Errors
    /// [`ParseFailure`]: a stable code and a sentence.
    async fn parse(&self, upload: &Upload, body: ByteStream) -> Result<Document, ParseFailure>;
}

/// Reads in this process, without any limit but [`Limits`]: for tests and tools, not for strangers' files.
#[derive(Debug, Clone, Default)]
pub struct InProcessParser {
    /// Bounds for each file.
    pub limits: Limits,
}

#[async_trait]
impl DocumentParser for InProcessParser {
    async fn parse(&self, upload: &Upload, body: ByteStream) -> Result<Document, ParseFailure> {
        let limits = self.limits.clone();
        let most = usize::try_from(limits.max_input_bytes).unwrap_or(usize::MAX);
        let bytes = collect(body, most).await;
        let bytes = bytes.map_err(|error| ParseFailure::transient("bytes_unavailable", error.to_string()))?;
        let Upload { filename, media_type, .. } = upload.clone();
        let read = move || {
            let hint = Hint { filename: &filename, media_type: media_type.as_deref() };
            kubemate_parse::parse(&bytes, &hint, &limits)
        };
        let parsed = tokio::task::spawn_blocking(read).await;
        let parsed = parsed.map_err(|_| ParseFailure::from(ParseError::Reader))?;
        Ok(parsed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_reader_blames_the_file() {
        let text = || "x".to_owned();
        let all = [
            ParseError::Unsupported(text()),
            ParseError::Encrypted,
            ParseError::Broken(text()),
            ParseError::Empty,
            ParseError::NoText,
            ParseError::Encoding,
            ParseError::TooLarge { limit: "max_pages", allowed: 1 },
            ParseError::Reader,
        ];
        let codes = all.map(|error| ParseFailure::from(error).code);
        for code in &codes {
            assert!(FILE_CODES.contains(&code.as_str()), "{code}");
        }
        assert_eq!(codes.len() + 2, FILE_CODES.len(), "and the two of the child");
    }
}
