//! One sheet: its cells in rows.

use std::collections::BTreeMap;

use super::Book;
use super::record::{self, Record, Records};
use crate::ParseError;
use crate::builder::Builder;
use crate::merges::Merges;
use crate::table::Table;

/// Adds the rows of the sheet whose records begin here; gives whether any cell holds something.
pub(super) fn read(stream: &[u8], book: &Book, builder: &mut Builder<'_>) -> Result<bool, ParseError> {
    let mut sheet = Sheet { book, rows: BTreeMap::new(), merges: Merges::default(), count: 0, pending: None };
    sheet.fill(stream, builder)?;
    let mut table = Table::default();
    let filled = !sheet.rows.is_empty();
    for (row, columns) in sheet.rows {
        let width = columns.keys().next_back().map_or(0, |last| usize::from(*last) + 1);
        let mut cells = vec![String::new(); width];
        for (column, text) in columns {
            if let Some(cell) = cells.get_mut(usize::from(column)) {
                *cell = text;
            }
        }
        sheet.merges.fill(usize::from(row), &mut cells);
        table.row(builder, cells)?;
    }
    table.finish(builder)?;
    Ok(filled)
}

struct Sheet<'b> {
    book: &'b Book,
    rows: BTreeMap<u16, BTreeMap<u16, String>>,
    merges: Merges,
    count: usize,
    /// The formula whose text is in the next record.
    pending: Option<(u16, u16)>,
}

impl Sheet<'_> {
    fn fill(&mut self, stream: &[u8], builder: &Builder<'_>) -> Result<(), ParseError> {
        let limits = builder.limits();
        let mut depth = 0_usize;
        for record in Records::new(stream) {
            match record.kind {
                record::BOF => depth += 1, // a chart in the sheet has records of its own
                record::EOF if depth <= 1 => return Ok(()),
                record::EOF => depth -= 1,
                _ if depth == 1 => self.record(&record),
                _ => {}
            }
            limits.check("max_cells", self.count, limits.max_cells)?;
        }
        Err(ParseError::broken("a sheet ends early"))
    }

    fn record(&mut self, record: &Record<'_>) {
        let (Some(row), Some(column)) = (record.u16(0), record.u16(2)) else { return };
        let style = usize::from(record.u16(4).unwrap_or_default());
        let text = match record.kind {
            record::SHARED_TEXT => record.u32(6).and_then(|index| self.shared(index)),
            record::TEXT | record::RICH_TEXT => Some(self.book.long_string(record, 6)),
            record::NUMBER => record.f64(6).map(|number| self.shown(style, number)),
            record::SHORT_NUMBER => record.u32(6).map(|packed| self.shown(style, unpacked(packed))),
            record::SHORT_NUMBERS => return self.numbers(record, row, column),
            record::BOOL_OR_ERROR => record.u8(6).zip(record.u8(7)).map(|(value, is_error)| flag(value, is_error == 1)),
            record::FORMULA => self.formula(record, row, column, style),
            record::FORMULA_TEXT => {
                // Its first four bytes are its length and its first letters, not a place.
                let text = self.book.long_string(record, 0);
                let Some((row, column)) = self.pending.take() else { return };
                return self.put(row, column, text);
            }
            record::MERGES => return self.merge(record),
            _ => None,
        };
        if let Some(text) = text {
            self.put(row, column, text);
        }
    }

    fn put(&mut self, row: u16, column: u16, text: String) {
        if !text.is_empty() {
            self.count += 1;
            self.rows.entry(row).or_default().insert(column, text);
        }
    }

    fn shared(&self, index: u32) -> Option<String> {
        self.book.strings.get(usize::try_from(index).ok()?).cloned()
    }

    fn shown(&self, style: usize, number: f64) -> String {
        if number.is_finite() { self.book.styles.show(style, number, self.book.from_1904) } else { String::new() }
    }

    /// A row of packed numbers: style and number of each, and the last column at the end.
    fn numbers(&mut self, record: &Record<'_>, row: u16, first: u16) {
        let packed = record.data.get(4..record.data.len().saturating_sub(2)).unwrap_or_default();
        for (column, cell) in (first..).zip(packed.as_chunks::<6>().0) {
            let [style_low, style_high, number @ ..] = *cell;
            let style = usize::from(u16::from_le_bytes([style_low, style_high]));
            let text = self.shown(style, unpacked(u32::from_le_bytes(number)));
            self.put(row, column, text);
        }
    }

    /// What a formula gave: a number, or by its last two bytes something else.
    fn formula(&mut self, record: &Record<'_>, row: u16, column: u16, style: usize) -> Option<String> {
        self.pending = None;
        if record.u16(12) != Some(0xffff) {
            return record.f64(6).map(|number| self.shown(style, number));
        }
        match record.u8(6)? {
            0 => {
                self.pending = Some((row, column));
                None
            }
            1 => Some(flag(record.u8(8)?, false)),
            2 => Some(flag(record.u8(8)?, true)),
            _ => None,
        }
    }

    fn merge(&mut self, record: &Record<'_>) {
        for range in record.data.get(2..).unwrap_or_default().as_chunks::<8>().0 {
            let [top_low, top_high, end_low, end_high, left_low, left_high, ..] = *range;
            let number = |low, high| usize::from(u16::from_le_bytes([low, high]));
            self.merges.add(number(left_low, left_high), number(top_low, top_high), number(end_low, end_high));
        }
    }
}

/// A number in 30 bits: the upper part of a float or an integer, perhaps of hundredths.
fn unpacked(packed: u32) -> f64 {
    let number = if packed & 2 == 0 {
        f64::from_bits(u64::from(packed & !3) << 32)
    } else {
        f64::from(packed.cast_signed() >> 2)
    };
    if packed & 1 == 0 { number } else { number / 100.0 }
}

/// A truth value, or one of Excel's errors.
fn flag(value: u8, is_error: bool) -> String {
    let text = match (is_error, value) {
        (false, 0) => "FALSE",
        (false, _) => "TRUE",
        (true, 0x00) => "#NULL!",
        (true, 0x07) => "#DIV/0!",
        (true, 0x0f) => "#VALUE!",
        (true, 0x17) => "#REF!",
        (true, 0x1d) => "#NAME?",
        (true, 0x24) => "#NUM!",
        (true, _) => "#N/A",
    };
    text.to_owned()
}
