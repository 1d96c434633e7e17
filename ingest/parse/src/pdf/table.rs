//! Tables: lines of a page whose gaps lie above each other.
//!
//! A PDF says nothing of rows and cells. Lines belong to a table when the gaps in them leave the same columns free; words of
//! running text never do for long.

use std::ops::Range;

use super::blocks::is_mark;
use super::hyphen::Hyphens;
use super::line::Piece;
use super::order::Line;
use crate::reflow::{Hyphen, push_line};

/// Lines farther apart than this many type sizes are not of one table.
const FARTHEST: f64 = 4.0;

/// A row's next line of the same cell is at most this many type sizes below.
const WRAPPED: f64 = 1.45;

/// Longest name of a column, in characters.
const LONGEST_NAME: usize = 40;

/// Columns of a table; sheets of paper hold fewer.
const MOST_COLUMNS: usize = 64;

/// Lines that are tried one by one for the beginning of a table.
const FEW_LINES: usize = 8;

/// A table on a page.
#[derive(Debug)]
pub(super) struct Table {
    /// The lines of the page that it takes.
    pub(super) lines: Range<usize>,
    pub(super) rows: Vec<Vec<String>>,
    /// The first row names the columns.
    pub(super) has_header: bool,
}

/// Part of a line between two gaps.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Its text, in bytes of the line's.
    start: usize,
    end: usize,
    left: f64,
    right: f64,
}

/// The tables of a page, from the top.
pub(super) fn find(lines: &[Line], hyphens: &Hyphens) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (end, columns) = grow(lines, at);
        let own = lines.get(at..end).unwrap_or_default();
        let Some(rows) = read(own, &columns.ranges, hyphens) else {
            // A table may begin a few lines later; trying every line of a long page again would take too long.
            at = if end - at < FEW_LINES { at + 1 } else { end };
            continue;
        };
        let bold = own.first().is_some_and(|line| line.piece.bold);
        tables.push(Table { has_header: has_header(&rows, bold), lines: at..end, rows });
        at = end;
    }
    tables
}

/// Where the lines end that have columns in common with the one at `start`, and those columns.
fn grow(lines: &[Line], start: usize) -> (usize, Columns) {
    let mut columns = Columns::default();
    let mut end = start + 1;
    let mut last: Option<&Piece> = None;
    for (at, line) in lines.iter().enumerate().skip(start) {
        let piece = &line.piece;
        let own = cells(piece);
        let begins = last.is_none() && !piece.mono && own.len() > 1;
        if !(begins || last.is_some_and(|last| is_near(last, piece))) || !columns.take(&own, piece.size) {
            break;
        }
        let wraps = last.is_some_and(|last| piece.y - last.y < piece.size * WRAPPED);
        let in_first = own.first().and_then(|cell| place(&columns.ranges, cell)) == Some(0);
        // A lone cell at the left may begin what follows the table: only a row after it makes it part of this one.
        if own.len() > 1 || (wraps && !in_first) {
            end = at + 1;
        }
        last = Some(piece);
        if line.ends_column {
            break;
        }
    }
    (end, columns)
}

fn is_near(above: &Piece, below: &Piece) -> bool {
    let drop = below.y - above.y;
    let ratio = below.size / above.size.max(0.1);
    !below.mono && (0.7..1.45).contains(&ratio) && drop > below.size * 0.5 && drop < below.size * FARTHEST
}

/// The cells of a line. The mark of a list item is no cell of its own.
fn cells(piece: &Piece) -> Vec<Cell> {
    let mut cells = Vec::new();
    let (mut start, mut left) = (0, piece.left);
    for gap in piece.gaps() {
        if start == 0 && piece.text.get(..gap.at).is_none_or(|text| is_mark(text.trim())) {
            continue;
        }
        cells.push(Cell { start, end: gap.at, left, right: gap.from });
        (start, left) = (gap.at, gap.to);
    }
    cells.push(Cell { start, end: piece.text.len(), left, right: piece.right });
    cells
}

/// The horizontal ranges of a table's columns, from the left.
#[derive(Debug, Default)]
struct Columns {
    ranges: Vec<(f64, f64)>,
}

impl Columns {
    /// Widens the columns by a line's cells; false when a cell lies across two of them.
    fn take(&mut self, cells: &[Cell], size: f64) -> bool {
        if cells.len() > MOST_COLUMNS {
            return false;
        }
        let mut ranges = self.ranges.clone();
        for cell in cells {
            let near = size * 0.2;
            let mut met =
                ranges.iter_mut().filter(|(left, right)| cell.left < right + near && cell.right > left - near);
            match (met.next(), met.next()) {
                (Some(_), Some(_)) => return false,
                (Some((left, right)), None) => (*left, *right) = (left.min(cell.left), right.max(cell.right)),
                _ => ranges.push((cell.left, cell.right)),
            }
        }
        ranges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let apart = ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.1 + size * 0.2 <= b.0));
        if apart {
            self.ranges = ranges;
        }
        apart && (2..=MOST_COLUMNS).contains(&self.ranges.len())
    }
}

fn place(columns: &[(f64, f64)], cell: &Cell) -> Option<usize> {
    columns.iter().position(|(left, right)| cell.left < *right && cell.right > *left)
}

/// The rows, when there are enough for a table.
fn read(lines: &[Line], columns: &[(f64, f64)], hyphens: &Hyphens) -> Option<Vec<Vec<String>>> {
    let parts: Vec<Vec<&str>> = lines.iter().map(|line| parts(line, columns)).collect();
    let wrapped = wrapped(lines, &parts);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (parts, wrapped) in parts.iter().zip(&wrapped) {
        match rows.last_mut() {
            Some(row) if *wrapped => row.iter_mut().zip(parts).for_each(|(text, more)| {
                let added = hyphens.is_added(text, more);
                push_line(text, more, if added { Hyphen::Mend } else { Hyphen::Keep });
            }),
            _ => rows.push(parts.iter().map(|part| (*part).to_owned()).collect()),
        }
    }
    let full = rows.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() > 1).count();
    let enough = full >= 3 || (full == 2 && columns.len() > 2);
    let has_leaders = |line: &&Line| line.piece.text.contains("....") || line.piece.text.contains(". . .");
    let leaders = lines.iter().filter(has_leaders).count();
    // Paragraphs with something in their margin are no table, nor is a table of contents.
    (enough && lines.len() <= full * 4 && leaders * 2 < lines.len()).then_some(rows)
}

/// What a line holds in each column.
fn parts<'l>(line: &'l Line, columns: &[(f64, f64)]) -> Vec<&'l str> {
    let mut parts = vec![""; columns.len()];
    let cells = cells(&line.piece);
    for (column, part) in parts.iter_mut().enumerate() {
        let mut own = cells.iter().filter(|cell| place(columns, cell) == Some(column));
        let first = own.next().map(|cell| cell.start);
        let end = own.next_back().or_else(|| cells.iter().find(|cell| Some(cell.start) == first)).map(|cell| cell.end);
        *part = first.zip(end).and_then(|(start, end)| line.piece.text.get(start..end)).unwrap_or("").trim();
    }
    parts
}

/// Which lines go on with the row above them: those without a first cell, and, where rows are set apart, those that follow
/// closely, if their group ends with less than it began.
fn wrapped(lines: &[Line], parts: &[Vec<&str>]) -> Vec<bool> {
    let drops: Vec<f64> =
        lines.windows(2).map(|pair| if let [a, b] = pair { b.piece.y - a.piece.y } else { 0.0 }).collect();
    let closest = drops.iter().copied().fold(f64::INFINITY, f64::min);
    let apart = drops.iter().filter(|drop| **drop > closest * 1.3).count();
    let grouped = apart >= 2 && apart * 4 >= lines.len();
    let mut partial = false;
    let mut wrapped: Vec<bool> = Vec::with_capacity(lines.len());
    for (at, parts) in parts.iter().enumerate().rev() {
        let follows =
            |at: usize| at.checked_sub(1).and_then(|at| drops.get(at)).is_some_and(|drop| *drop < closest * 1.12);
        if !follows(at + 1) || at + 1 == lines.len() {
            partial = parts.iter().any(|part| part.is_empty());
        }
        wrapped.push(parts.first().is_some_and(|first| first.is_empty()) || (grouped && partial && follows(at)));
    }
    wrapped.reverse();
    wrapped
}

/// Column names are short words in bold type, or stand above numbers.
fn has_header(rows: &[Vec<String>], bold: bool) -> bool {
    let Some((names, rest)) = rows.split_first() else { return false };
    let filled = || names.iter().filter(|name| !name.is_empty());
    let is_name = |name: &&String| name.contains(char::is_alphabetic) && name.chars().count() <= LONGEST_NAME;
    let words = filled().all(|name| is_name(&name) && !is_number(name));
    let below = |column: usize| rest.iter().filter_map(move |row| row.get(column)).filter(|cell| !cell.is_empty());
    let numbers = (1..names.len()).any(|column| below(column).count() > 1 && below(column).all(|cell| is_number(cell)));
    words && filled().count() + 1 >= names.len() && (bold || numbers || filled().count() > 2)
}

fn is_number(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text.chars().filter(|c| c.is_alphabetic()).count() * 2 <= text.chars().count()
}
