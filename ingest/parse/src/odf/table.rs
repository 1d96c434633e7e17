//! Tables of texts and the sheets of spreadsheets.

use super::body::{Flow, Inline, is_unseen};
use super::styles::Styles;
use crate::builder::Builder;
use crate::merges::Merges;
use crate::table::Table;
use crate::xml::{Node, Tag, Xml};
use crate::{BlockKind, Document, ParseError};

/// Programs write the empty rest of a sheet as one repeated cell; no program shows more columns than this.
const LAST_COLUMN: usize = 16_384;

/// Reads a spreadsheet whose start tag was just read: a page and a heading per visible sheet.
pub(super) fn read_sheets(
    xml: &mut Xml<'_>,
    mut builder: Builder<'_>,
    styles: &Styles,
) -> Result<Document, ParseError> {
    let (mut pages, mut filled) = (0, false);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "table" => {
                pages += 1;
                if styles.hides(&tag.attribute("style-name").unwrap_or_default()) {
                    xml.skip()?;
                    continue;
                }
                builder.page(pages)?;
                builder.heading(1, &tag.attribute("name").unwrap_or_default())?;
                filled |= read(xml, &mut builder)?;
            }
            Node::Open(tag) if is_unseen(tag.name().as_str()) => xml.skip()?,
            Node::Close(name) if name.as_str() == "spreadsheet" => break,
            Node::End => break,
            _ => {}
        }
    }
    if !filled {
        return Err(super::absent());
    }
    builder.finish(super::SHEETS, Some(pages), super::absent())
}

/// The rows of the table whose start tag was just read; gives whether any cell holds something.
pub(super) fn read(xml: &mut Xml<'_>, builder: &mut Builder<'_>) -> Result<bool, ParseError> {
    let mut reader = Reader { merges: Merges::default(), row: 0, filled: false };
    let mut table = Table::default();
    let (mut depth, mut header) = (1_usize, false);
    while depth > 0 {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "table-row" => {
                    let repeated = repeated(&tag, "number-rows-repeated");
                    let cells = reader.row(xml)?;
                    let empty = cells.is_empty();
                    for _ in 0..if empty { 0 } else { repeated } {
                        if header {
                            builder.row(BlockKind::TableHeader, &cells)?;
                        } else {
                            table.row(builder, cells.clone())?;
                        }
                    }
                    reader.row = reader.row.saturating_add(repeated);
                }
                "table-header-rows" => {
                    header = true;
                    depth += 1;
                }
                name if is_unseen(name) || name == "shapes" => xml.skip()?,
                _ => depth += 1,
            },
            Node::Close(name) => {
                if name.as_str() == "table-header-rows" {
                    header = false;
                    table = Table::with_header();
                }
                depth -= 1;
            }
            Node::Text(_) => {}
            Node::End => break,
        }
    }
    table.finish(builder)?;
    Ok(reader.filled)
}

struct Reader {
    merges: Merges,
    row: usize,
    filled: bool,
}

impl Reader {
    fn row(&mut self, xml: &mut Xml<'_>) -> Result<Vec<String>, ParseError> {
        let (mut cells, mut column, mut depth) = (Vec::new(), 0_usize, 1_usize);
        while depth > 0 {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "table-cell" | "covered-table-cell" => {
                        let count = repeated(&tag, "number-columns-repeated").min(LAST_COLUMN);
                        let spanned = tag.number("number-rows-spanned").and_then(|rows| usize::try_from(rows).ok());
                        let text = cell(xml)?;
                        if let Some(rows) = spanned.filter(|rows| *rows > 1) {
                            self.merges.add(column, self.row, self.row.saturating_add(rows - 1));
                        }
                        if !text.trim().is_empty() && column < LAST_COLUMN {
                            self.filled = true;
                            cells.resize(column, String::new());
                            cells.resize((column + count).min(LAST_COLUMN), text);
                        } else if tag.name().as_str() == "covered-table-cell" && column + count < LAST_COLUMN {
                            // Of a merge from above, perhaps: room for its text.
                            cells.resize(column + count, String::new());
                        }
                        column = column.saturating_add(count);
                    }
                    _ => depth += 1,
                },
                Node::Close(_) => depth -= 1,
                Node::Text(_) => {}
                Node::End => break,
            }
        }
        self.merges.fill(self.row, &mut cells);
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            cells.clear();
        }
        Ok(cells)
    }
}

/// The paragraphs of a cell; comments follow them.
fn cell(xml: &mut Xml<'_>) -> Result<String, ParseError> {
    let (mut attached, mut ended) = (Vec::new(), 0);
    let text = Inline { attached: &mut attached, ended: &mut ended }.text(xml)?;
    let mut text = text.trim().to_owned();
    for note in attached {
        text.push(' ');
        text.push_str(&note);
    }
    Ok(text)
}

fn repeated(tag: &Tag<'_>, name: &str) -> usize {
    tag.number(name).and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1)
}

impl Flow<'_, '_> {
    /// A table on a slide.
    pub(super) fn table(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        read(xml, &mut self.builder).map(drop)
    }
}
