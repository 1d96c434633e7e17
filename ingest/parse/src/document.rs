//! What a parsed file looks like to the rest of the product.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Format;

/// A file as text, with the places where its blocks and pages are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What the content turned out to be.
    pub format: Format,
    /// The title the file gives itself (metadata, `<title>`, subject), when it has one.
    pub title: Option<String>,
    /// The whole text: all blocks in reading order, separated by one newline (rows of a table, items of a list) or two.
    pub text: String,
    /// The blocks of `text`, ascending and non-overlapping; what lies between two blocks is newlines only.
    pub blocks: Vec<Block>,
    /// How many pages the file has, for formats with pages. Slides and sheets count as pages.
    pub pages: Option<u32>,
}

/// One piece of a document that belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What the piece is.
    pub kind: BlockKind,
    /// Bytes of [`Document::text`], on character borders, never empty.
    pub range: Range<usize>,
    /// The page the block begins on, counted from 1; `None` for formats without pages.
    pub page: Option<u32>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading; level 1 is the highest, 6 the lowest.
    Heading {
        /// 1 to 6.
        level: u8,
    },
    /// Running text.
    Paragraph,
    /// One item of a list, with its marker (`- ` or `1. `) and two spaces per level of nesting in front.
    ListItem,
    /// The row of a table that names its columns; cells are separated by ` | `.
    TableHeader,
    /// One row of a table; cells are separated by ` | `.
    TableRow,
    /// Entries of a table of contents, each a title and a page. They name every subject and answer no question.
    Contents,
    /// Preformatted text; line ends and indentation are kept.
    Code,
}
