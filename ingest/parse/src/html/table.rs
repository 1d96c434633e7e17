//! Tables, and tables that only lay out a page.

use super::token::Tag;
use super::{Piece, Reader, unwrap};
use crate::{BlockKind, ParseError};

/// Rows or columns that a cell is believed to take.
const WIDEST: usize = 100;

/// The open tables, innermost last.
#[derive(Default)]
pub(super) struct Tables {
    open: Vec<Table>,
}

#[derive(Default)]
struct Table {
    /// Cells are blocks of the page: it holds headings or other tables, or says it is for presentation.
    layout: bool,
    in_head: bool,
    in_cell: bool,
    row: Vec<String>,
    /// Rows and columns that the cell being read takes.
    span: (usize, usize),
    /// For each column, the rows to come that a cell above reaches into, and its text.
    reaching: Vec<(usize, String)>,
    /// Whether all cells of the row are `<th>`.
    heads: bool,
    rows: usize,
}

impl Tables {
    pub(super) fn in_cell(&self) -> bool {
        self.open.last().is_some_and(|table| table.in_cell && !table.layout)
    }

    pub(super) fn between_cells(&self) -> bool {
        self.open.last().is_some_and(|table| !table.in_cell && !table.layout)
    }
}

impl Table {
    /// Adds a cell, after those that reach into the row from above. Each row says what its cells are, also below the first.
    fn push(&mut self, text: &str) {
        self.reach();
        let (rows, columns) = self.span;
        for column in 0..columns.max(1) {
            let text = if column == 0 { text } else { "" };
            let place = self.row.len();
            if rows > 1 {
                self.reaching.resize(self.reaching.len().max(place + 1), (0, String::new()));
                if let Some(reaching) = self.reaching.get_mut(place) {
                    *reaching = (rows - 1, text.to_owned());
                }
            }
            self.row.push(text.to_owned());
        }
    }

    fn reach(&mut self) {
        while let Some((rows, text)) = self.reaching.get_mut(self.row.len()).filter(|(rows, _)| *rows > 0) {
            *rows -= 1;
            self.row.push(text.clone());
        }
    }
}

/// How many rows or columns a cell takes.
fn span(tag: &Tag<'_>, name: &str) -> usize {
    tag.attribute(name).and_then(|count| count.trim().parse().ok()).unwrap_or(1).clamp(1, WIDEST)
}

impl Reader<'_> {
    pub(super) fn open_table(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        match &*tag.name {
            "table" => {
                self.show_cells_as_blocks()?;
                self.flush()?;
                let layout = tag.attribute("role").is_some_and(|role| matches!(role, "presentation" | "none"));
                self.tables.open.push(Table { layout, ..Table::default() });
                return self.limits.check("max_nesting", self.tables.open.len(), self.limits.max_nesting);
            }
            "caption" => return self.flush(),
            "tr" => self.end_row()?,
            "td" | "th" => {
                self.end_cell()?;
                if let Some(table) = self.tables.open.last_mut() {
                    table.heads = tag.name == "th" && (table.heads || table.row.is_empty());
                    table.in_cell = true;
                    table.span = (span(tag, "rowspan"), span(tag, "colspan"));
                }
            }
            _ => {
                self.end_row()?;
                if let Some(table) = self.tables.open.last_mut() {
                    table.in_head = tag.name == "thead";
                }
            }
        }
        Ok(())
    }

    pub(super) fn close_table(&mut self, name: &str) -> Result<(), ParseError> {
        match name {
            "td" | "th" => self.end_cell(),
            "tr" => self.end_row(),
            "caption" => self.flush(),
            "thead" => {
                self.end_row()?;
                if let Some(table) = self.tables.open.last_mut() {
                    table.in_head = false;
                }
                Ok(())
            }
            _ => {
                self.end_row()?;
                self.tables.open.pop();
                Ok(())
            }
        }
    }

    /// A heading or a table inside a cell: the table around it only lays out the page.
    pub(super) fn show_cells_as_blocks(&mut self) -> Result<(), ParseError> {
        let Some(table) = self.tables.open.last_mut().filter(|table| !table.layout) else { return Ok(()) };
        table.layout = true;
        let cells = std::mem::take(&mut table.row);
        for cell in cells {
            self.add(Piece::Paragraph, unwrap(&cell))?;
        }
        self.flush()
    }

    pub(super) fn end_tables(&mut self) -> Result<(), ParseError> {
        while !self.tables.open.is_empty() {
            self.end_row()?;
            self.tables.open.pop();
        }
        self.flush()
    }

    fn end_cell(&mut self) -> Result<(), ParseError> {
        match self.tables.open.last_mut() {
            Some(table) if table.layout => {
                table.in_cell = false;
                self.flush()
            }
            Some(table) if table.in_cell => {
                table.in_cell = false;
                let text = unwrap(&std::mem::take(&mut self.text));
                table.push(&text);
                self.limits.check("max_cells", table.row.len(), self.limits.max_cells)
            }
            // Text between cells is misplaced; browsers show it before the table, so do we.
            _ => self.flush(),
        }
    }

    fn end_row(&mut self) -> Result<(), ParseError> {
        self.end_cell()?;
        let Some(table) = self.tables.open.last_mut() else { return Ok(()) };
        if !table.row.is_empty() {
            table.reach();
        }
        let cells = std::mem::take(&mut table.row);
        let header = table.rows == 0 && (table.in_head || table.heads);
        if cells.iter().all(String::is_empty) {
            return Ok(());
        }
        table.rows += 1;
        let kind = if header { BlockKind::TableHeader } else { BlockKind::TableRow };
        self.add(Piece::Row(kind, cells), String::new())
    }
}
