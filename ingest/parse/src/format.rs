//! What a file is: the name for it, how it is found out, and which module reads it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::scope::Scope;
use crate::{Document, ParseError};
use crate::{
    bundle, compound, csv, docx, email, encoding, epub, html, markdown, mbox, odf, ofd, pdf, pptx, rtf, text, xlsx,
};

/// What can be read, as people call it. Error messages say this, and a test holds docs/FILES.md to it.
pub const SUPPORTED: &str = "pdf, docx, pptx, xlsx, xls, odt, ods, odp, rtf, epub, ofd, html, md, csv, tsv, eml, mbox, msg, txt \
                             and zip of those";

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
    /// Excel before 2007, the binary interchange format.
    Xls,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// Rich Text Format.
    Rtf,
    /// An electronic book.
    Epub,
    /// Open Fixed-layout Document, GB/T 33190.
    Ofd,
    /// HTML or XHTML.
    Html,
    /// Markdown (CommonMark with tables and front matter).
    Markdown,
    /// Values separated by commas, semicolons, tabs or bars.
    Csv,
    /// An internet message.
    Email,
    /// Internet messages one after the other.
    Mbox,
    /// A message as Outlook saves it.
    Msg,
    /// A zip archive of documents.
    Zip,
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
            "mbox" | "mbx" => return Some(Format::Mbox),
            "txt" | "text" | "log" => return Some(Format::Text),
            _ => {}
        }
        let media_type = self.media_type?.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "text/markdown" | "text/x-markdown" => Some(Format::Markdown),
            "text/html" | "application/xhtml+xml" => Some(Format::Html),
            "text/csv" | "text/tab-separated-values" => Some(Format::Csv),
            "message/rfc822" => Some(Format::Email),
            "application/mbox" => Some(Format::Mbox),
            _ => None,
        }
    }

    /// Whether the name is that of something written as text.
    pub(crate) fn names_text(&self) -> bool {
        self.text_format().is_some() || self.is_source()
    }

    /// A name that promises a binary format and content that is none is a download that went wrong: an error page, a
    /// pointer, half a file. Its words are not what the sender meant to upload.
    fn allows_text(&self) -> Result<(), ParseError> {
        let extension = self.extension();
        match extension.as_str() {
            "pdf" | "docx" | "pptx" | "xlsx" | "odt" | "ods" | "odp" | "epub" | "ofd" | "msg" | "zip" => {
                Err(ParseError::broken(format!("its name ends in .{extension}, but its content is no {extension}")))
            }
            _ => Ok(()),
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
pub(crate) fn read(bytes: &[u8], hint: &Hint<'_>, scope: Scope<'_>) -> Result<Document, ParseError> {
    let limits = scope.limits;
    if pdf::is_pdf(bytes) {
        return pdf::parse(bytes, limits);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return read_archive(Archive::open(bytes, scope)?, scope);
    }
    if compound::is_one(bytes) {
        return compound::parse(bytes, scope);
    }
    if bytes.starts_with(b"{\\rtf") {
        return rtf::parse(bytes, limits);
    }
    if let Some(error) = known_binary(bytes) {
        return Err(error);
    }
    hint.allows_text()?;
    read_text(bytes, hint, scope)
}

fn read_archive(mut archive: Archive<'_>, scope: Scope<'_>) -> Result<Document, ParseError> {
    let limits = scope.limits;
    if !archive.names("word/document").is_empty() {
        docx::parse(archive, limits)
    } else if !archive.names("ppt/presentation").is_empty() {
        pptx::parse(archive, limits)
    } else if archive.has("xl/workbook.xml") {
        xlsx::parse(archive, limits)
    } else if archive.has("xl/workbook.bin") {
        Err(ParseError::Unsupported("a binary Excel workbook, xlsb; save it as xlsx".to_owned()))
    } else if archive.has("META-INF/container.xml") {
        epub::parse(archive, limits)
    } else if archive.has("OFD.xml") {
        ofd::parse(archive, limits)
    } else if odf::is_one(&mut archive)? {
        odf::parse(archive, limits)
    } else {
        bundle::parse(archive, scope)
    }
}

/// Formats that are recognised only to say something helpful.
fn known_binary(bytes: &[u8]) -> Option<ParseError> {
    let known: [(&[u8], &str); 11] = [
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

fn read_text(bytes: &[u8], hint: &Hint<'_>, scope: Scope<'_>) -> Result<Document, ParseError> {
    let limits = scope.limits;
    let named = hint.text_format();
    let unnamed = named.is_none_or(|format| format == Format::Text);
    if named == Some(Format::Mbox) || (unnamed && mbox::looks_like(bytes)) {
        return mbox::parse(bytes, scope);
    }
    if named == Some(Format::Email) || (unnamed && email::looks_like(bytes)) {
        return email::parse(bytes, scope);
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
