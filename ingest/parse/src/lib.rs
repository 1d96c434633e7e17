//! Bytes in, [`Document`] out: the text of a file, its blocks and its pages.
//!
//! The room is pure: it reads no file, no clock and no environment, and the same bytes always give the same
//! document. [`parse`] finds the format by looking at the content, with the name and the media type as hints,
//! and returns one text whose [`Block`]s (headings, paragraphs, list items, table rows, code) point into it.
//!
//! Files come from strangers. Every format is read under [`Limits`], and because a library below may still
//! panic or abort, the product calls this room through [`worker::serve`] in a child process of its own.
//!
//! ```
//! use kubemate_parse::{BlockKind, Hint, Limits, parse};
//! let hint = Hint { filename: "note.md", media_type: None };
//! let document = parse("# 标题\n\nBody text.".as_bytes(), &hint, &Limits::default()).unwrap();
//! assert_eq!(document.blocks[0].kind, BlockKind::Heading { level: 1 });
//! assert_eq!(&document.text[document.blocks[1].range.clone()], "Body text.");
//! ```

use std::cell::Cell;

use scope::Scope;

mod archive;
mod builder;
mod bundle;
mod compound;
mod csv;
mod document;
mod docx;
mod email;
mod encoding;
mod epub;
mod error;
mod format;
mod html;
mod limits;
mod markdown;
mod mbox;
mod merges;
mod msg;
mod odf;
mod ofd;
mod pdf;
mod pptx;
mod reflow;
mod relations;
mod rtf;
mod scope;
mod table;
mod text;
pub mod worker;
mod xls;
mod xlsx;
mod xml;

pub use document::{Block, BlockKind, Document};
pub use encoding::file_name;
pub use error::ParseError;
pub use format::{Format, Hint, SUPPORTED};
pub use limits::Limits;

/// Reads one file.
///
/// The content decides the format; `hint` settles what content cannot tell (a CSV from a text).
///
/// # Errors
/// A [`ParseError`] whose [`code`](ParseError::code) is stable and whose message says what the owner of the file can do.
pub fn parse(bytes: &[u8], hint: &Hint<'_>, limits: &Limits) -> Result<Document, ParseError> {
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    limits.check("max_input_bytes", bytes.len(), limits.max_input_bytes)?;
    let inflated = Cell::new(0);
    format::read(bytes, hint, Scope::new(limits, &inflated))
}
