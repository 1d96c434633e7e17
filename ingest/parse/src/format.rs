//! What a file is: the name for it, and how it is found out.

use serde::{Deserialize, Serialize};

use crate::{Document, Limits, ParseError};

/// The kinds of files this room reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Portable Document Format.
    Pdf,
    /// Word, Office Open XML.
    Docx,
    /// PowerPoint, Office Open XML.
    Pptx,
    /// Excel, Office Open XML.
    Xlsx,
    /// HTML or XHTML.
    Html,
    /// Markdown (CommonMark with tables and front matter).
    Markdown,
    /// Values separated by commas, semicolons, tabs or bars.
    Csv,
    /// An internet message.
    Email,
    /// Plain text.
    Text,
}

/// What the sender says about the file. Believed only where the content leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint<'a> {
    /// The name it was uploaded under; only the extension is read.
    pub filename: &'a str,
    /// The media type it was uploaded under, parameters allowed.
    pub media_type: Option<&'a str>,
}

pub(crate) fn sniff(_bytes: &[u8], hint: &Hint<'_>, _limits: &Limits) -> Result<Format, ParseError> {
    Err(ParseError::Unsupported(hint.filename.to_owned()))
}

pub(crate) fn read(
    format: Format,
    _bytes: &[u8],
    _hint: &Hint<'_>,
    _limits: &Limits,
) -> Result<Document, ParseError> {
    Err(ParseError::Unsupported(format!("{format:?}")))
}
