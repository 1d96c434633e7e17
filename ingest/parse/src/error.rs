//! Why a file could not be read.

use crate::format::SUPPORTED;

/// Why a file could not be read. The message may be shown to the file's owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No reader for this kind of content.
    #[error("this kind of file is not supported ({0}); supported are {SUPPORTED}")]
    Unsupported(String),
    /// The file needs a password.
    #[error("the file is encrypted; remove the password and upload it again")]
    Encrypted,
    /// The file is not what its format asks for.
    #[error("the file is damaged and cannot be read ({0}); save it again with the program that made it and retry")]
    Broken(String),
    /// Zero bytes, or nothing but white space.
    #[error("the file is empty")]
    Empty,
    /// Pages without any text, such as scans.
    #[error("the file holds no text, only images; run text recognition (OCR) on it and upload the result")]
    NoText,
    /// Text in an encoding that could not be told.
    #[error("the encoding of the text could not be recognised; save the file as UTF-8 and upload it again")]
    Encoding,
    /// One of [`Limits`](crate::Limits) was exceeded.
    #[error("the file exceeds the limit {limit} ({allowed}); split it or ask the operator to raise the limit")]
    TooLarge {
        /// The field of [`Limits`](crate::Limits).
        limit: &'static str,
        /// The value of that field.
        allowed: u64,
    },
    /// A file inside this one could not be read.
    #[error("in `{path}`: {error}")]
    Inside {
        /// The file's path in the one that was uploaded.
        path: String,
        /// Why.
        error: Box<ParseError>,
    },
    /// The reader itself failed; only [`worker::serve`](crate::worker::serve) makes this one.
    #[error("the file made its reader fail; save it in another format and upload that")]
    Reader,
}

impl ParseError {
    /// A stable word for machines; it never changes for a variant.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "unsupported_file",
            Self::Encrypted => "encrypted_file",
            Self::Broken(_) => "broken_file",
            Self::Empty => "empty_file",
            Self::NoText => "no_text",
            Self::Encoding => "unknown_encoding",
            Self::TooLarge { .. } => "too_large",
            Self::Inside { error, .. } => error.code(),
            Self::Reader => "reader_failed",
        }
    }

    /// Says which file inside the uploaded one it was.
    pub(crate) fn inside(self, path: &str) -> Self {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(160).collect();
        match self {
            Self::Inside { path, error } => Self::Inside { path: format!("{shown}/{path}"), error },
            error => Self::Inside { path: shown, error: Box::new(error) },
        }
    }

    /// `Broken` with a reason from below. The reason is shortened: libraries quote the file in it.
    pub(crate) fn broken(reason: impl std::fmt::Display) -> Self {
        Self::Broken(reason.to_string().chars().filter(|c| !c.is_control()).take(160).collect())
    }
}
