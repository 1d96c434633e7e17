//! Tables of Word files.

use super::body::Body;
use crate::xml::{Node, Tag, Xml};
use crate::{BlockKind, ParseError};

/// One row while it is read.
#[derive(Default)]
struct Row {
    cells: Vec<Cell>,
    header: bool,
    page: Option<usize>,
}

#[derive(Default)]
struct Cell {
    text: String,
    /// Grid columns it spans.
    span: usize,
    /// It continues the cell above it.
    continues: bool,
}

impl Body<'_> {
    /// The table whose start tag was just read.
    pub(super) fn table(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let mut above: Vec<String> = Vec::new();
        let (mut first_is_header, mut rows) = (false, 0);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "tblLook" => first_is_header = marks_first_row(&tag),
                    "tr" => {
                        let mut row = self.row(xml)?;
                        row.header |= rows == 0 && first_is_header;
                        above = row.fill_from(&above);
                        self.show_row(&row)?;
                        rows += 1;
                    }
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "tbl" => return self.show_attached(),
                Node::End => return self.show_attached(),
                _ => {}
            }
        }
    }

    fn row(&mut self, xml: &mut Xml<'_>) -> Result<Row, ParseError> {
        let mut row = Row::default();
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "tblHeader" => row.header = tag.is_on(),
                    "tc" => {
                        let cell = self.cell(xml, &mut row.page)?;
                        row.cells.push(cell);
                    }
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "tr" => return Ok(row),
                Node::End => return Ok(row),
                _ => {}
            }
        }
    }

    /// A cell's paragraphs as one text; those of tables inside it follow.
    fn cell(&mut self, xml: &mut Xml<'_>, page: &mut Option<usize>) -> Result<Cell, ParseError> {
        let mut cell = Cell { span: 1, ..Cell::default() };
        let mut inner = 0_usize;
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "p" => {
                        let paragraph = self.paragraph(xml)?;
                        if !paragraph.text.trim().is_empty() {
                            page.get_or_insert(paragraph.page);
                            cell.text.push_str(paragraph.text.trim());
                            cell.text.push('\n');
                        }
                    }
                    "gridSpan" => {
                        cell.span = tag.number("val").and_then(|n| usize::try_from(n).ok()).unwrap_or(1).clamp(1, 64)
                    }
                    "vMerge" => cell.continues = tag.attribute("val").is_none_or(|value| value != "restart"),
                    "tc" => inner += 1,
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "tc" => match inner.checked_sub(1) {
                    Some(left) => inner = left,
                    None => return Ok(cell),
                },
                Node::End => return Ok(cell),
                _ => {}
            }
        }
    }

    fn show_row(&mut self, row: &Row) -> Result<(), ParseError> {
        if let Some(page) = row.page {
            self.turn_to(page)?;
        }
        let kind = if row.header { BlockKind::TableHeader } else { BlockKind::TableRow };
        let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.trim()).collect();
        self.builder.row(kind, &cells)
    }
}

impl Row {
    /// Gives cells merged with the one above them its text; returns the texts by grid column.
    fn fill_from(&mut self, above: &[String]) -> Vec<String> {
        let mut grid = Vec::new();
        for cell in &mut self.cells {
            if cell.continues && cell.text.trim().is_empty() {
                cell.text = above.get(grid.len()).cloned().unwrap_or_default();
            }
            grid.extend(std::iter::repeat_n(cell.text.clone(), cell.span));
        }
        grid
    }
}

/// Whether the table's look sets its first row apart, in either spelling of the attribute.
fn marks_first_row(tag: &Tag<'_>) -> bool {
    if let Some(value) = tag.attribute("firstRow") {
        return value == "1" || value == "true";
    }
    let bits = tag.attribute("val").and_then(|value| i64::from_str_radix(&value, 16).ok());
    bits.is_some_and(|bits| bits & 0x20 != 0)
}
