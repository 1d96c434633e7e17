//! Rows of a sheet or a CSV: which of the first rows is a title, which the header.

use crate::builder::Builder;
use crate::{BlockKind, ParseError};

/// Writes the rows of one table.
#[derive(Default)]
pub(crate) struct Table {
    /// A first row with one filled cell: a title when the next row is wider, a header or row when not.
    held: Option<Vec<String>>,
    begun: bool,
}

impl Table {
    /// A table whose header is written already.
    pub(crate) fn with_header() -> Self {
        Self { held: None, begun: true }
    }

    /// Adds a row; rows without text are left out.
    pub(crate) fn row(&mut self, builder: &mut Builder<'_>, cells: Vec<String>) -> Result<(), ParseError> {
        let filled = cells.iter().filter(|cell| !cell.trim().is_empty()).count();
        if filled == 0 {
            return Ok(());
        }
        if self.begun {
            return builder.row(BlockKind::TableRow, &cells);
        }
        if let Some(held) = self.held.take() {
            if filled == 1 {
                self.begin(builder, &held)?;
                return builder.row(BlockKind::TableRow, &cells);
            }
            builder.paragraph(held.join(" ").trim())?;
        } else if filled == 1 {
            self.held = Some(cells);
            return Ok(());
        }
        self.begin(builder, &cells)
    }

    /// Writes what is still held.
    pub(crate) fn finish(&mut self, builder: &mut Builder<'_>) -> Result<(), ParseError> {
        match self.held.take() {
            Some(held) => self.begin(builder, &held),
            None => Ok(()),
        }
    }

    fn begin(&mut self, builder: &mut Builder<'_>, cells: &[String]) -> Result<(), ParseError> {
        self.begun = true;
        let kind = if is_header(cells) { BlockKind::TableHeader } else { BlockKind::TableRow };
        builder.row(kind, cells)
    }
}

/// A first row names the columns when it has text in it and no numbers or dates.
fn is_header(cells: &[String]) -> bool {
    let mut filled = cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
    filled.all(|cell| !cell.chars().all(|c| c.is_ascii_digit() || "-+./:, %¥$€年月日".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Limits};

    fn kinds(rows: &[&[&str]]) -> Vec<BlockKind> {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        let mut table = Table::default();
        for row in rows {
            table.row(&mut builder, row.iter().map(|cell| (*cell).to_owned()).collect()).unwrap();
        }
        table.finish(&mut builder).unwrap();
        let document = builder.finish(Format::Csv, None, ParseError::Empty).unwrap();
        document.blocks.into_iter().map(|block| block.kind).collect()
    }

    #[test]
    fn titles_headers_and_rows_are_told_apart() {
        use BlockKind::{Paragraph, TableHeader, TableRow};
        assert_eq!(
            kinds(&[&["2026 年报"], &["", ""], &["姓名", "工资"], &["李", "1"]]),
            [Paragraph, TableHeader, TableRow]
        );
        assert_eq!(kinds(&[&["name"], &["Li"], &["Han"]]), [TableHeader, TableRow, TableRow]);
        assert_eq!(kinds(&[&["2026-01-01", "12"], &["2026-01-02", "13"]]), [TableRow, TableRow]);
    }
}
