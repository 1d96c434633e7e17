//! Cells merged downwards: the rows below are given the text, since a reader sees it beside each of them.

use std::collections::HashMap;

/// The merges of one sheet or table.
#[derive(Default)]
pub(crate) struct Merges {
    /// Last row of a merge by its first row and column.
    ends: HashMap<(usize, usize), usize>,
    /// Text being carried down, by column, with its last row.
    carried: HashMap<usize, (usize, String)>,
}

impl Merges {
    /// A merge of `column` from the row `top` to the row `bottom`, both included.
    pub(crate) fn add(&mut self, column: usize, top: usize, bottom: usize) {
        if bottom > top {
            self.ends.insert((top, column), bottom);
        }
    }

    /// Fills the cells of a row that lie below the first of a merge. Rows come in ascending order.
    pub(crate) fn fill(&mut self, row: usize, cells: &mut [String]) {
        if self.ends.is_empty() {
            return;
        }
        for (column, cell) in cells.iter_mut().enumerate() {
            if let Some(end) = self.ends.get(&(row, column)) {
                self.carried.insert(column, (*end, cell.clone()));
            } else if cell.is_empty()
                && let Some((_, text)) = self.carried.get(&column).filter(|(end, _)| row <= *end)
            {
                cell.clone_from(text);
            }
        }
    }
}
