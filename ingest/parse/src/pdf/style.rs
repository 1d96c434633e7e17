//! What a document's type sizes mean: body, headings, and how far lines are set apart.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Line;
use super::running::PageLines;

/// Sizes closer than this share are one size.
const SAME: f64 = 0.06;

/// Heading levels told apart by size.
const LEVELS: usize = 5;

/// Headings with the same words; more of them are labels.
const MOST_EQUAL: usize = 4;

/// Whether two font sizes are meant to be the same.
pub(super) fn same_size(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.max(b) * SAME
}

/// The sizes of a document.
#[derive(Debug)]
pub(super) struct Styles {
    body: f64,
    /// Sizes of headings, the largest first.
    headings: Vec<f64>,
    /// Bold lines of body size are headings: the body itself is not bold.
    bold_stands_out: bool,
    /// Lines in heading type that come again and again: `Note`, `Warning`. They head nothing.
    repeated: BTreeSet<String>,
    /// Usual distance of baselines as a multiple of the size, by size in half points.
    leadings: BTreeMap<i64, f64>,
}

impl Styles {
    pub(super) fn of(pages: &[PageLines]) -> Self {
        let lines = || pages.iter().flat_map(|page| &page.lines);
        let mut chars: BTreeMap<i64, usize> = BTreeMap::new();
        let (mut all, mut bold) = (0, 0);
        for line in lines() {
            let count = line.piece.chars();
            *chars.entry(half_points(line.piece.size)).or_default() += count;
            all += count;
            bold += if line.piece.bold { count } else { 0 };
        }
        let body = chars.iter().max_by_key(|(_, count)| **count).map_or(10.0, |(size, _)| *size as f64 / 2.0);
        let mut headings: Vec<f64> = Vec::new();
        for (size, count) in chars.iter().rev() {
            let size = *size as f64 / 2.0;
            // A size that sets a fifth of the text is text.
            let rare = count * 5 < all;
            if size > body * 1.1 && rare && !headings.iter().any(|known| same_size(*known, size)) {
                headings.push(size);
            }
        }
        let bold_stands_out = bold * 5 < all;
        let mut styles = Self { body, headings, bold_stands_out, repeated: BTreeSet::new(), leadings: leadings(pages) };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines().filter(|line| styles.heading(line).is_some()) {
            *counts.entry(&line.piece.text).or_default() += 1;
        }
        styles.repeated =
            counts.into_iter().filter(|(_, count)| *count > MOST_EQUAL).map(|(text, _)| text.to_owned()).collect();
        styles
    }

    /// Level of the heading a line belongs to, by its type alone.
    pub(super) fn heading(&self, line: &Line) -> Option<usize> {
        let piece = &line.piece;
        if self.repeated.contains(&piece.text) {
            return None;
        }
        let level = self.headings.iter().position(|size| same_size(*size, piece.size) && piece.size > self.body * 1.08);
        if let Some(level) = level {
            return Some(level.min(LEVELS - 1) + 1);
        }
        let bold = self.bold_stands_out && piece.bold && !piece.mono && piece.size > self.body * 0.95;
        let short = piece.chars() <= 60
            && line.cells == 1
            && !piece.text.ends_with(['.', '。', ',', '，', ';', '；', ':', '：']);
        (bold && short).then(|| self.headings.len().min(LEVELS) + 1)
    }

    /// Usual distance of baselines for a size, in points.
    pub(super) fn leading(&self, size: f64) -> f64 {
        size * self.leadings.get(&half_points(size)).copied().unwrap_or(1.25)
    }
}

fn half_points(size: f64) -> i64 {
    (size * 2.0).round() as i64
}

/// The most usual distance of two lines of one size, in tenths of the size.
fn leadings(pages: &[PageLines]) -> BTreeMap<i64, f64> {
    let mut counts: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for page in pages {
        for pair in page.lines.windows(2) {
            let [a, b] = pair else { continue };
            let steps = (b.piece.y - a.piece.y) / a.piece.size.max(1.0) * 20.0;
            if same_size(a.piece.size, b.piece.size) && (16.0..50.0).contains(&steps) {
                *counts.entry((half_points(a.piece.size), steps.round() as i64)).or_default() += 1;
            }
        }
    }
    let mut best: BTreeMap<i64, (usize, i64)> = BTreeMap::new();
    for ((size, steps), count) in counts {
        let entry = best.entry(size).or_default();
        if count > entry.0 {
            *entry = (count, steps);
        }
    }
    best.into_iter().map(|(size, (_, steps))| (size, steps as f64 / 20.0)).collect()
}
