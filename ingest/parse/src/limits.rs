//! How much one file may cost.

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// Upper bounds for one file. Each is checked while reading, before the memory is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the file itself. 512 MiB, the size OpenAI's file API takes.
    pub max_input_bytes: u64,
    /// Bytes of UTF-8 in [`Document::text`](crate::Document::text). 64 MiB, some 20 long books.
    pub max_text_bytes: u64,
    /// Blocks of the document. A million is above any book; it bounds the JSON.
    pub max_blocks: u64,
    /// Pages, slides or sheets.
    pub max_pages: u64,
    /// Glyphs drawn on one page of a PDF. A dense newspaper page has 50,000.
    pub max_page_glyphs: u64,
    /// Drawing operators of a whole PDF: forms that draw each other would otherwise never end.
    pub max_operators: u64,
    /// Members of one archive.
    pub max_zip_entries: u64,
    /// Uncompressed bytes of one member of an archive.
    pub max_zip_entry_bytes: u64,
    /// Uncompressed bytes of all members that are read, those of archives inside included.
    pub max_zip_total_bytes: u64,
    /// Uncompressed bytes per compressed byte of one member above 1 MiB. Deflate reaches 1032; Office XML stays below 100.
    pub max_zip_ratio: u64,
    /// Nesting of XML elements.
    pub max_xml_depth: u64,
    /// Attributes of one XML element (RUSTSEC-2026-0194: 800,000 of them once cost minutes).
    pub max_xml_attributes: u64,
    /// Cells of all sheets or rows together.
    pub max_cells: u64,
    /// Files inside files: archives in archives, attachments of attachments.
    pub max_file_depth: u64,
    /// Messages inside messages, lists inside lists, elements inside elements of HTML.
    pub max_nesting: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_input_bytes: 512 << 20,
            max_text_bytes: 64 << 20,
            max_blocks: 1_000_000,
            max_pages: 20_000,
            max_page_glyphs: 1_000_000,
            max_operators: 200_000_000,
            max_zip_entries: 10_000,
            max_zip_entry_bytes: 512 << 20,
            max_zip_total_bytes: 1 << 30,
            max_zip_ratio: 400,
            max_xml_depth: 256,
            max_xml_attributes: 512,
            max_cells: 5_000_000,
            max_file_depth: 4,
            max_nesting: 512,
        }
    }
}

impl Limits {
    /// `TooLarge` naming `limit` when `value` is above `allowed`.
    pub(crate) fn check(&self, limit: &'static str, value: usize, allowed: u64) -> Result<(), ParseError> {
        if u64::try_from(value).unwrap_or(u64::MAX) > allowed {
            return Err(ParseError::TooLarge { limit, allowed });
        }
        Ok(())
    }
}
