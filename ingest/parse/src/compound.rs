//! Compound files, the container of Office before 2007, of Outlook, and of newer Office files behind a password.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use crate::scope::Scope;
use crate::{Document, ParseError, msg, xls};

/// The first bytes of every compound file ([MS-CFB] 2.2).
const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Whether bytes begin as a compound file.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads a compound file by the streams it has.
pub(crate) fn parse(bytes: &[u8], scope: Scope<'_>) -> Result<Document, ParseError> {
    let mut streams = Streams::open(bytes)?;
    if streams.has("/EncryptedPackage") || streams.has("/EncryptionInfo") {
        return Err(ParseError::Encrypted);
    }
    if streams.has("/__properties_version1.0") {
        return msg::parse(&mut streams, scope);
    }
    for name in ["/Workbook", "/Book"] {
        if let Some(book) = streams.read(name)? {
            return xls::parse(&book, scope.limits);
        }
    }
    let program = match () {
        () if streams.has("/WordDocument") => "a Word file from before 2007; save it as docx",
        () if streams.has("/PowerPoint Document") => "a PowerPoint file from before 2007; save it as pptx",
        () => "an Office file from before 2007; save it as docx, xlsx or pptx",
    };
    Err(ParseError::Unsupported(program.to_owned()))
}

/// The named streams of a compound file.
pub(crate) struct Streams<'b> {
    file: CompoundFile<Cursor<&'b [u8]>>,
    length: u64,
}

impl<'b> Streams<'b> {
    fn open(bytes: &'b [u8]) -> Result<Self, ParseError> {
        let file = CompoundFile::open(Cursor::new(bytes)).map_err(ParseError::broken)?;
        Ok(Self { file, length: bytes.len() as u64 })
    }

    /// Whether there is a stream of this path, such as `/Workbook`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.file.is_stream(path)
    }

    /// The bytes of a stream, `None` when there is none of this path.
    pub(crate) fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, ParseError> {
        if !self.has(path) {
            return Ok(None);
        }
        let mut stream = self.file.open_stream(path).map_err(ParseError::broken)?;
        if stream.len() > self.length {
            return Err(ParseError::broken("a stream is longer than the file"));
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(ParseError::broken)?;
        Ok(Some(bytes))
    }

    /// Paths of the storages directly in `path` whose names begin with `prefix`, in the order of their names.
    pub(crate) fn storages(&self, path: &str, prefix: &str) -> Vec<String> {
        let entries = self.file.read_storage(path).into_iter().flatten();
        let storages = entries.filter(|entry| entry.is_storage() && entry.name().starts_with(prefix));
        let mut paths: Vec<String> =
            storages.map(|entry| format!("{}/{}", path.trim_end_matches('/'), entry.name())).collect();
        paths.sort();
        paths
    }
}
