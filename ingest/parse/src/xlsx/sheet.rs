//! One worksheet: its rows, in one pass.

use super::Book;
use crate::builder::Builder;
use crate::merges::Merges;
use crate::table::Table;
use crate::xml::{Node, Tag, Xml};
use crate::{Limits, ParseError};

/// The last column of Excel, XFD; addresses beyond it are not believed.
const LAST_COLUMN: usize = 16_384;

/// Reads a sheet into the builder and says whether it has any text.
pub(super) fn read(content: &[u8], book: &Book, builder: &mut Builder<'_>) -> Result<bool, ParseError> {
    let limits = builder.limits();
    let mut sheet = Sheet { book, merges: merges(content, limits)?, row: 0, filled: false };
    let mut table = Table::default();
    let mut xml = Xml::new(content, limits);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "row" => {
                let number = tag.number("r").and_then(|row| usize::try_from(row).ok());
                sheet.row = number.unwrap_or(sheet.row + 1);
                let cells = sheet.cells(&mut xml)?;
                table.row(builder, cells)?;
            }
            Node::Close(name) if name.as_str() == "sheetData" => break,
            Node::End => break,
            _ => {}
        }
    }
    table.finish(builder)?;
    Ok(sheet.filled)
}

struct Sheet<'b> {
    book: &'b Book,
    merges: Merges,
    row: usize,
    filled: bool,
}

impl Sheet<'_> {
    fn cells(&mut self, xml: &mut Xml<'_>) -> Result<Vec<String>, ParseError> {
        let mut cells: Vec<String> = Vec::new();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name().as_str() == "c" => {
                    let column = tag.attribute("r").and_then(|address| column(&address)).unwrap_or(cells.len());
                    let text = self.cell(&tag, xml)?;
                    if column < LAST_COLUMN && !text.is_empty() {
                        self.filled = true;
                        if cells.len() <= column {
                            cells.resize(column + 1, String::new());
                        }
                        if let Some(cell) = cells.get_mut(column) {
                            *cell = text;
                        }
                    }
                }
                Node::Close(name) if name.as_str() == "row" => break,
                Node::End => break,
                _ => {}
            }
        }
        self.merges.fill(self.row, &mut cells);
        Ok(cells)
    }

    /// The text of the cell whose start tag was just read.
    fn cell(&self, tag: &Tag<'_>, xml: &mut Xml<'_>) -> Result<String, ParseError> {
        let kind = tag.attribute("t");
        let style = tag.number("s").and_then(|style| usize::try_from(style).ok()).unwrap_or(0);
        let (mut value, mut inline) = (String::new(), String::new());
        loop {
            match xml.next()? {
                Node::Open(inner) => match inner.name().as_str() {
                    "v" => value = xml.text(&[])?,
                    "t" => inline.push_str(&xml.text(&[])?),
                    "f" | "rPh" => xml.skip()?,
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "c" => break,
                Node::End => break,
                _ => {}
            }
        }
        Ok(match kind.as_deref() {
            Some("s") => value.trim().parse().map(|index| self.book.strings.get(index).to_owned()).unwrap_or_default(),
            Some("inlineStr") => inline,
            Some("b") => (if value.trim() == "1" { "TRUE" } else { "FALSE" }).to_owned(),
            Some("str" | "e" | "d") => value,
            _ => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => self.book.styles.show(style, number, self.book.from_1904),
                _ => value,
            },
        })
    }
}

/// Zero-based column of an address such as `AB12`.
fn column(address: &str) -> Option<usize> {
    let letters = address.bytes().take_while(u8::is_ascii_alphabetic).take(4);
    let number = letters.fold(0_usize, |sum, letter| sum * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

/// What stands behind the rows: short, and so found from the end.
fn after_rows(content: &[u8]) -> &[u8] {
    let mark = b"</sheetData>";
    let at = content.windows(mark.len()).rposition(|window| window == mark);
    at.and_then(|at| content.get(at..)).unwrap_or_default()
}

/// The list stands behind the rows, so it is looked for first.
fn merges(content: &[u8], limits: &Limits) -> Result<Merges, ParseError> {
    let mut merges = Merges::default();
    let rest = after_rows(content);
    let mark = b"<mergeCells";
    let Some(at) = rest.windows(mark.len()).position(|window| window == mark) else {
        return Ok(merges);
    };
    let mut xml = Xml::new(rest.get(at..).unwrap_or_default(), limits);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "mergeCell" => {
                let range = tag.attribute("ref").unwrap_or_default();
                if let Some((first, last)) = range.split_once(':')
                    && let (Some(column), Some(top), Some(bottom)) = (column(first), row(first), row(last))
                {
                    merges.add(column, top, bottom);
                }
            }
            Node::Close(name) if name.as_str() == "mergeCells" => return Ok(merges),
            Node::End => return Ok(merges),
            _ => {}
        }
    }
}

fn row(address: &str) -> Option<usize> {
    address.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(
            (column("A1"), column("Z9"), column("AA1"), column("XFD1"), column("7")),
            (Some(0), Some(25), Some(26), Some(16383), None)
        );
        assert_eq!(row("AB12"), Some(12));
    }
}
