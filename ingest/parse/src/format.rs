//! What a file is: the name for it, how it is found out, and which module reads it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::{Document, Limits, ParseError};
use crate::{csv, docx, email, encoding, html, markdown, pdf, pptx, text, xlsx};

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

impl Hint<'_> {
    /// The extension in lower case, without its dot.
    fn extension(&self) -> String {
        self.filename.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
    }

    /// The format that the name, or else the media type, speaks of; text formats only.
    fn text_format(&self) -> Option<Format> {
        match self.extension().as_str() {
            "md" | "markdown" | "mdown" | "mkd" => return Some(Format::Markdown),
            "html" | "htm" | "xhtml" | "xht" => return Some(Format::Html),
            "csv" | "tsv" | "tab" => return Some(Format::Csv),
            "eml" => return Some(Format::Email),
            "txt" | "text" | "log" => return Some(Format::Text),
            _ => {}
        }
        let media_type = self.media_type?.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "text/markdown" | "text/x-markdown" => Some(Format::Markdown),
            "text/html" | "application/xhtml+xml" => Some(Format::Html),
            "text/csv" | "text/tab-separated-values" => Some(Format::Csv),
            "message/rfc822" => Some(Format::Email),
            _ => None,
        }
    }

    /// Whether the name is that of a program or of data in lines, where every line end counts.
    fn is_source(&self) -> bool {
        SOURCES.contains(&self.extension().as_str())
    }

    /// The `charset` parameter of the media type.
    fn charset(&self) -> Option<&str> {
        let parameters = self.media_type?.split(';').skip(1);
        parameters
            .filter_map(|p| p.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .map(|(_, value)| value.trim().trim_matches('"'))
    }
}

/// Extensions of programs, configuration and data.
const SOURCES: [&str; 34] = [
    "c",
    "cc",
    "cfg",
    "conf",
    "cpp",
    "cs",
    "css",
    "go",
    "h",
    "hpp",
    "ini",
    "java",
    "js",
    "json",
    "jsonl",
    "jsx",
    "kt",
    "php",
    "pl",
    "properties",
    "py",
    "rb",
    "rs",
    "scala",
    "sh",
    "sql",
    "swift",
    "tex",
    "toml",
    "ts",
    "tsx",
    "xml",
    "yaml",
    "yml",
];

/// Finds the format by content and reads the file.
pub(crate) fn read(bytes: &[u8], hint: &Hint<'_>, limits: &Limits) -> Result<Document, ParseError> {
    if pdf::is_pdf(bytes) {
        return pdf::parse(bytes, limits);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return read_archive(Archive::open(bytes, limits)?, limits);
    }
    if let Some(error) = known_binary(bytes) {
        return Err(error);
    }
    read_text(bytes, hint, limits)
}

fn read_archive(archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    if !archive.names("word/document").is_empty() {
        docx::parse(archive, limits)
    } else if !archive.names("ppt/presentation").is_empty() {
        pptx::parse(archive, limits)
    } else if archive.has("xl/workbook.xml") {
        xlsx::parse(archive, limits)
    } else {
        Err(ParseError::Unsupported("a zip archive that is no docx, pptx or xlsx".to_owned()))
    }
}

/// Formats that are recognised only to say something helpful.
fn known_binary(bytes: &[u8]) -> Option<ParseError> {
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(compound_file(bytes));
    }
    let known: [(&[u8], &str); 12] = [
        (b"{\\rtf", "RTF; save it as docx"),
        (b"\x89PNG", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"GIF8", "an image"),
        (b"II*\0", "an image"),
        (b"MM\0*", "an image"),
        (b"\x1f\x8b", "a gzip archive; unpack it"),
        (b"7z\xbc\xaf", "a 7z archive; unpack it"),
        (b"Rar!", "a rar archive; unpack it"),
        (b"\x7fELF", "a program"),
        (b"%!PS", "PostScript; save it as PDF"),
        (b"RIFF", "sound or video"),
    ];
    let found = known.iter().find(|(magic, _)| bytes.starts_with(magic))?;
    Some(ParseError::Unsupported(found.1.to_owned()))
}

/// OLE compound files are old Office files, or new ones behind a password.
fn compound_file(bytes: &[u8]) -> ParseError {
    let wide: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(wide.len()).any(|window| window == wide) {
        return ParseError::Encrypted;
    }
    ParseError::Unsupported("an Office file from before 2007; save it as docx, xlsx or pptx".to_owned())
}

fn read_text(bytes: &[u8], hint: &Hint<'_>, limits: &Limits) -> Result<Document, ParseError> {
    let named = hint.text_format();
    if named == Some(Format::Email) || (named.is_none_or(|f| f == Format::Text) && email::looks_like(bytes)) {
        return email::parse(bytes, limits);
    }
    let declared = hint.charset().map(Cow::Borrowed).or_else(|| html::declared_charset(bytes).map(Cow::Owned));
    let content = encoding::decode(bytes, declared.as_deref())?;
    if content.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    match named {
        Some(Format::Markdown) => markdown::parse(&content, limits),
        Some(Format::Csv) => csv::parse(&content, limits),
        Some(Format::Html) => html::parse(&content, limits),
        None if hint.is_source() => text::parse_source(&content, limits),
        _ if html::looks_like(&content) => html::parse(&content, limits),
        _ => text::parse(&content, limits),
    }
}
