//! Separated values: the delimiter is the one that divides the first lines most evenly.

use ::csv::{ReaderBuilder, StringRecord};

use crate::builder::Builder;
use crate::table::Table;
use crate::{Document, Format, Limits, ParseError};

/// Delimiters in use, the likelier first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Lines that are looked at to find the delimiter.
const SAMPLE_LINES: usize = 50;

/// Reads decoded text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Document, ParseError> {
    let (declared, text) = declared_delimiter(text);
    let delimiter = declared.unwrap_or_else(|| guess_delimiter(text));
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut builder = Builder::new(limits);
    let mut table = Table::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(ParseError::broken)? {
        table.row(&mut builder, record.iter().map(str::to_owned).collect())?;
    }
    table.finish(&mut builder)?;
    builder.finish(Format::Csv, None, ParseError::Empty)
}

/// Excel's own `sep=;` line.
fn declared_delimiter(text: &str) -> (Option<u8>, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    match line.trim_end().strip_prefix("sep=").map(str::as_bytes) {
        Some([delimiter]) => (Some(*delimiter), rest),
        _ => (None, text),
    }
}

/// The delimiter that gives most lines the same number of cells, and many of them.
fn guess_delimiter(text: &str) -> u8 {
    let score = |delimiter: u8| {
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
        let widths: Vec<usize> =
            reader.byte_records().take(SAMPLE_LINES).flatten().map(|record| record.len()).collect();
        let widest = widths.iter().copied().max().unwrap_or(1);
        let usual = (2..=widest.min(4096)).max_by_key(|n| (widths.iter().filter(|w| *w == n).count(), *n));
        let agreeing = usual.map_or(0, |n| widths.iter().filter(|w| **w == n).count());
        agreeing * 1000 / widths.len().max(1) * usual.map_or(0, |n| n.min(8))
    };
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockKind;

    fn rows(text: &str) -> (Vec<BlockKind>, String) {
        let document = parse(text, &Limits::default()).unwrap();
        (document.blocks.iter().map(|block| block.kind).collect(), document.text)
    }

    #[test]
    fn delimiters_are_guessed() {
        for delimiter in [",", ";", "\t", "|"] {
            let text = "姓名,部门,工资\n李雷,销售部,\"8500\"\n韩梅梅,研发部,12000\n".replace(',', delimiter);
            let (kinds, text) = rows(&text);
            assert_eq!(kinds, [BlockKind::TableHeader, BlockKind::TableRow, BlockKind::TableRow]);
            assert_eq!(text, "姓名 | 部门 | 工资\n李雷 | 销售部 | 8500\n韩梅梅 | 研发部 | 12000");
        }
    }

    #[test]
    fn decimal_commas_do_not_win_over_semicolons() {
        assert_eq!(rows("Artikel;Preis\nBrot;2,50\nMilch;1,20\n").1, "Artikel | Preis\nBrot | 2,50\nMilch | 1,20");
    }

    #[test]
    fn quoted_cells_keep_delimiters_and_lose_line_ends() {
        assert_eq!(rows("a,b\n\"x, y\",\"l1\nl2\"\n").1, "a | b\nx, y | l1 l2");
    }

    #[test]
    fn a_first_row_of_numbers_is_no_header() {
        assert_eq!(rows("2026-01-01,12\n2026-01-02,15\n").0, [BlockKind::TableRow, BlockKind::TableRow]);
    }
}
