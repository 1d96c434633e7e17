//! Pieces of lines to lines in reading order.
//!
//! The order of drawing is kept where it runs down the page, and column after column: programs that set text draw
//! it as it is read. Only a page drawn in disorder is put together from where its pieces stand.

use super::line::Piece;

/// A line of text; its gaps, if it has any large ones, tell that it is a row of a table or an index.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) piece: Piece,
    /// Pieces it was joined from.
    pub(super) cells: usize,
    /// The next line stands in another column.
    pub(super) ends_column: bool,
}

/// The lines of a page, as they are read.
pub(super) fn lines(pieces: Vec<Piece>) -> Vec<Line> {
    let drawn = join_drawn(pieces);
    if is_orderly(&drawn) {
        return mark_columns(drawn);
    }
    mark_columns(sort(drawn))
}

/// Joins pieces drawn one after the other on one baseline.
fn join_drawn(pieces: Vec<Piece>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for piece in pieces {
        if let Some(last) = lines.last_mut() {
            let same = (last.piece.y - piece.y).abs() < last.piece.size.min(piece.size) * 0.4;
            if same && piece.left >= last.piece.right - piece.size {
                last.piece.join(&piece, " ");
                last.cells += 1;
                continue;
            }
        }
        if let Some(row) = row_of(&mut lines, &piece) {
            row.piece.join(&piece, " ");
            row.cells += 1;
            continue;
        }
        lines.push(Line { piece, cells: 1, ends_column: false });
    }
    lines
}

/// The line that a piece goes on with when a table is drawn cell by cell: its next cell stands right of the lines that the
/// cell before it was wrapped into.
fn row_of<'l>(lines: &'l mut [Line], piece: &Piece) -> Option<&'l mut Line> {
    /// Lines of one cell, beyond its first.
    const WRAPPED: usize = 4;
    let mut below: Option<f64> = None;
    for line in lines.iter_mut().rev().take(WRAPPED + 1) {
        let (size, drop) = (line.piece.size, line.piece.y - piece.y);
        let close = below.is_none_or(|below| below - line.piece.y < size * 1.6);
        if !close || line.piece.right > piece.left - size * 0.3 || drop < -size * 0.3 {
            return None;
        }
        if drop < size * 0.3 {
            return Some(line);
        }
        below = Some(line.piece.y);
    }
    None
}

/// Whether each line is below the one before it or begins a column to the right; a few jumps are headers and notes.
fn is_orderly(lines: &[Line]) -> bool {
    let jumps = lines.windows(2).filter(|pair| match pair {
        [before, after] => {
            let up = after.piece.y < before.piece.y - before.piece.size * 0.6;
            let beside = (after.piece.y - before.piece.y).abs() <= before.piece.size * 0.6;
            let right = after.piece.left >= before.piece.right - before.piece.size;
            (up || beside) && !right
        }
        _ => false,
    });
    let jumps = jumps.count();
    jumps <= 2 || jumps * 12 < lines.len()
}

fn mark_columns(mut lines: Vec<Line>) -> Vec<Line> {
    let tops: Vec<f64> = lines.iter().skip(1).map(|line| line.piece.y).collect();
    for (line, next) in lines.iter_mut().zip(tops) {
        line.ends_column = next < line.piece.y - line.piece.size * 0.6;
    }
    lines
}

/// Orders lines by where they stand: rows from the top, and column after column where a gutter runs down.
fn sort(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| a.piece.y.total_cmp(&b.piece.y));
    let rows = rows(lines);
    let Some(gutter) = gutter(&rows) else {
        return rows.into_iter().flat_map(join_row).collect();
    };
    let mut out = Vec::new();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for row in rows {
        if row.iter().any(|line| crosses(line, gutter)) {
            out.append(&mut left);
            out.append(&mut right);
            out.extend(join_row(row));
        } else {
            let (a, b): (Vec<Line>, Vec<Line>) = row.into_iter().partition(|line| line.piece.left < gutter);
            left.extend(join_row(a));
            right.extend(join_row(b));
        }
    }
    out.append(&mut left);
    out.append(&mut right);
    out
}

/// Groups lines, sorted by height, that share a baseline; each row is sorted from the left.
fn rows(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| line.piece.y - first.piece.y < line.piece.size * 0.4) => {
                row.push(line)
            }
            _ => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.piece.left.total_cmp(&b.piece.left));
    }
    rows
}

fn join_row(row: Vec<Line>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for line in row {
        match out.last_mut() {
            Some(last) if line.piece.left >= last.piece.right - line.piece.size => {
                last.piece.join(&line.piece, " ");
                last.cells += line.cells;
            }
            _ => out.push(line),
        }
    }
    out
}

fn crosses(line: &Line, gutter: f64) -> bool {
    line.piece.left < gutter - 1.0 && line.piece.right > gutter + 1.0
}

/// Where two columns of running text part: a height that most rows leave free, with long lines on both sides.
/// Rows of tables have short cells, so they do not make a gutter.
fn gutter(rows: &[Vec<Line>]) -> Option<f64> {
    let lines = || rows.iter().flatten();
    let left = lines().map(|line| line.piece.left).fold(f64::INFINITY, f64::min);
    let right = lines().map(|line| line.piece.right).fold(f64::NEG_INFINITY, f64::max);
    let width = right - left;
    if !(width.is_finite() && width > 0.0) || rows.len() < 6 {
        return None;
    }
    let candidates = (30..=70).map(|percent| left + width * f64::from(percent) / 100.0);
    let judged = candidates.map(|x| {
        let free = rows.iter().filter(|row| !row.iter().any(|line| crosses(line, x))).count();
        (free, x)
    });
    let judged: Vec<(usize, f64)> = judged.collect();
    let most = judged.iter().map(|(free, _)| *free).max()?;
    let middle: Vec<f64> = judged.iter().filter(|(free, _)| *free == most).map(|(_, x)| *x).collect();
    let x = *middle.get(middle.len() / 2)?;
    let long = |from: f64, to: f64| {
        let side: Vec<f64> = lines()
            .filter(|line| line.piece.left >= from - 1.0 && line.piece.right <= to + 1.0)
            .map(|line| line.piece.right - line.piece.left)
            .collect();
        side.len() >= 5 && side.iter().sum::<f64>() / side.len() as f64 > (to - from) * 0.55
    };
    (most * 10 >= rows.len() * 6 && long(left, x) && long(x, right)).then_some(x)
}

#[cfg(test)]
mod tests;
