//! Glyphs to pieces of lines: words are spaced by where the glyphs stand.

use hayro_font::kurbo::Point;
use unicode_normalization::UnicodeNormalization;

use super::content::Glyph;
use crate::reflow::is_wide;

/// A gap above this share of the font size is a space. TeX sets words 0.33 apart and shrinks tight lines to 0.14 (seen in
/// the Debian Reference); kerning stays below 0.1.
const WORD_GAP: f64 = 0.12;

/// Between two ideographs only a gap of most of a character is one: justified Chinese is stretched.
const WIDE_GAP: f64 = 0.6;

/// A gap above this many font sizes parts two cells or columns.
const PIECE_GAP: f64 = 1.4;

/// A gap above this many font sizes may part two cells, if there are such gaps above and below it.
const CELL_GAP: f64 = 0.5;

/// Letters set apart are taken for a word from this many on: `a b c` may be three words.
const FEWEST_LOOSE: usize = 4;

/// A piece of a line without a large gap in it, in the order it was drawn. All lengths are in points.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Of the baseline, from the top of the page.
    pub(super) y: f64,
    /// Font size of most of the piece.
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) mono: bool,
    /// The font size changes within the piece, so that `size` is settled by the longest run.
    sizes: Vec<(f64, usize)>,
    bold_chars: usize,
    mono_chars: usize,
    chars: usize,
    gaps: Vec<Gap>,
    /// Spaces before single characters: where they stand in the text, and how wide they are.
    loose: Vec<(usize, f64)>,
}

/// A gap within a piece that may part two cells of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    /// Where the text after it begins, in bytes.
    pub(super) at: usize,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// Which way a glyph's line runs, in quarter turns clockwise; `None` for slanted text such as watermarks.
fn quarter_turns(glyph: &Glyph) -> Option<u8> {
    let (x, y) = (glyph.advance.x, glyph.advance.y);
    // A tenth is 6 degrees: scans are less crooked, watermarks more.
    match (x.abs(), y.abs()) {
        (across, down) if down <= across * 0.1 => Some(if x >= 0.0 { 0 } else { 2 }),
        (across, down) if across <= down * 0.1 => Some(if y >= 0.0 { 1 } else { 3 }),
        _ => None,
    }
}

/// The pieces of a page's lines. Text that runs another way than most of the page comes last, as if turned upright.
pub(super) fn pieces(glyphs: &[Glyph], width: f64, height: f64) -> Vec<Piece> {
    let mut counts = [0_usize; 4];
    for turns in glyphs.iter().filter_map(quarter_turns) {
        if let Some(count) = counts.get_mut(usize::from(turns)) {
            *count += 1;
        }
    }
    let mut order: Vec<(usize, u8)> = counts.into_iter().zip(0..4).filter(|(count, _)| *count > 0).collect();
    order.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut pieces = Vec::new();
    let mut below = 0.0;
    for (_, turns) in order {
        let mut writer = Writer { done: Vec::new(), current: None, space: false };
        for glyph in glyphs.iter().filter(|glyph| quarter_turns(glyph) == Some(turns)) {
            let middle = glyph.origin + glyph.advance / 2.0;
            if (-1.0..=width + 1.0).contains(&middle.x) && (-1.0..=height + 1.0).contains(&middle.y) {
                let at = upright(glyph.origin, turns, width, height);
                writer.glyph(glyph, Point::new(at.x, at.y + below));
            }
        }
        pieces.extend(writer.finish());
        below += width.max(height) * 2.0;
    }
    pieces
}

/// A point of a page turned so that text running in `turns` quarter turns runs to the right.
fn upright(point: Point, turns: u8, width: f64, height: f64) -> Point {
    match turns {
        1 => Point::new(point.y, width - point.x),
        2 => Point::new(width - point.x, height - point.y),
        3 => Point::new(height - point.y, point.x),
        _ => point,
    }
}

struct Writer {
    done: Vec<Piece>,
    current: Option<Piece>,
    /// A space was drawn since the last glyph.
    space: bool,
}

impl Writer {
    fn glyph(&mut self, glyph: &Glyph, at: Point) {
        if glyph.text.chars().all(char::is_whitespace) {
            self.space = true;
            return;
        }
        let advance = glyph.advance.hypot();
        let size = if glyph.size > 0.0 { glyph.size } else { 1.0 };
        if let Some(piece) = &mut self.current {
            let gap = at.x - piece.right;
            let limit = piece.size.max(size);
            let same_line = (at.y - piece.y).abs() < limit * 0.45 && gap > -limit * 0.6 && at.x >= piece.left - 0.1;
            if same_line && gap <= limit * PIECE_GAP {
                if piece.repeats(glyph, at) {
                    return;
                }
                let wide = piece.text.chars().next_back().is_some_and(is_wide)
                    && glyph.text.chars().next().is_some_and(is_wide);
                let needed = if wide { WIDE_GAP } else { WORD_GAP };
                let spaced = gap > limit * needed || (std::mem::take(&mut self.space) && !(wide && gap < limit * 0.2));
                // The number of a footnote, small and raised before its text.
                let numbered = glyph.size > piece.size * 1.15
                    && piece.text.len() <= 3
                    && piece.text.bytes().all(|b| b.is_ascii_digit());
                if spaced && gap > limit * CELL_GAP && !piece.text.ends_with('.') && &*glyph.text != "." {
                    piece.gaps.push(Gap { at: piece.text.len() + 1, from: piece.right, to: at.x });
                }
                if spaced && piece.ends_alone() {
                    piece.loose.push((piece.text.len(), gap));
                }
                piece.push(glyph, at, advance, spaced || numbered);
                self.space = false;
                return;
            }
        }
        self.end_piece();
        let mut piece = Piece::new(at, size);
        piece.push(glyph, at, advance, false);
        self.current = Some(piece);
    }

    fn end_piece(&mut self) {
        self.space = false;
        let Some(mut piece) = self.current.take() else { return };
        piece.settle();
        // Some programs make bold text by drawing it twice.
        let again = self.done.iter().rev().take(4).any(|before| before.is_twin(&piece));
        if !again {
            self.done.push(piece);
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.end_piece();
        self.done
    }
}

impl Piece {
    fn new(at: Point, size: f64) -> Self {
        Self {
            text: String::new(),
            left: at.x,
            right: at.x,
            y: at.y,
            size,
            bold: false,
            mono: false,
            sizes: Vec::new(),
            bold_chars: 0,
            mono_chars: 0,
            chars: 0,
            gaps: Vec::new(),
            loose: Vec::new(),
        }
    }

    /// Characters in the piece.
    pub(super) fn chars(&self) -> usize {
        self.chars
    }

    /// The gaps that may part cells, from the left.
    pub(super) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Takes the first word away.
    pub(super) fn drop_first_word(&mut self) {
        self.text = self.text.split_once(' ').map_or("", |(_, rest)| rest).to_owned();
        self.gaps.clear();
    }

    fn push(&mut self, glyph: &Glyph, at: Point, advance: f64, spaced: bool) {
        if spaced && !self.text.is_empty() {
            self.text.push(' ');
        }
        push_normal(&mut self.text, &glyph.text);
        // A raised or lowered small glyph does not move the line.
        if glyph.size > self.size * 1.05 {
            self.y = at.y;
        }
        self.size = self.size.max(glyph.size);
        self.right = self.right.max(at.x + advance);
        self.chars += 1;
        self.bold_chars += usize::from(glyph.bold);
        self.mono_chars += usize::from(glyph.mono);
        let known = self.sizes.len();
        match self.sizes.iter_mut().find(|(size, _)| (*size - glyph.size).abs() < 0.05) {
            Some((_, count)) => *count += 1,
            None if known < 8 => self.sizes.push((glyph.size, 1)),
            None => {}
        }
    }

    /// Whether the last word so far is a single letter.
    fn ends_alone(&self) -> bool {
        let mut back = self.text.chars().rev();
        back.next().is_some_and(|c| c.is_alphabetic() && !is_wide(c)) && back.next().is_none_or(|c| c == ' ')
    }

    /// Takes out the spaces of letters that are set apart for looks: nearly all of its words are single characters then, and
    /// the spaces between words are wider than those between letters.
    fn close_up(&mut self) {
        let spaces = self.text.matches(' ').count();
        let narrowest = self.loose.iter().map(|(_, gap)| *gap).fold(f64::INFINITY, f64::min);
        let few = self.loose.len() < FEWEST_LOOSE || self.loose.len() * 10 < spaces * 8;
        if few || narrowest > self.size * CELL_GAP {
            return;
        }
        let mut closed = String::with_capacity(self.text.len());
        let mut from = 0;
        for (at, _) in self.loose.iter().filter(|(_, gap)| *gap < narrowest + self.size * 0.15) {
            closed.push_str(self.text.get(from..*at).unwrap_or_default());
            from = at + 1;
        }
        closed.push_str(self.text.get(from..).unwrap_or_default());
        self.text = closed;
        self.gaps.clear();
    }

    /// Whether the glyph was just drawn at this place, for a bold look.
    fn repeats(&self, glyph: &Glyph, at: Point) -> bool {
        let start = self.right - glyph.advance.hypot();
        (at.x - start).abs() < self.size * 0.08
            && (at.y - self.y).abs() < self.size * 0.08
            && glyph.advance.hypot() > self.size * 0.2
            && self.text.ends_with(&*glyph.text)
    }

    fn settle(&mut self) {
        if let Some((size, _)) = self.sizes.iter().max_by_key(|(_, count)| *count) {
            self.size = *size;
        }
        self.bold = self.bold_chars * 10 > self.chars * 8;
        self.mono = self.mono_chars * 10 > self.chars * 7;
        self.close_up();
        let text = self.text.trim();
        if text.len() != self.text.len() {
            self.gaps.clear();
            self.text = text.to_owned();
        }
    }

    fn is_twin(&self, other: &Self) -> bool {
        let near = self.size * 0.15;
        (self.left - other.left).abs() < near && (self.y - other.y).abs() < near && self.text == other.text
    }

    /// Adds the next piece of the same line.
    pub(super) fn join(&mut self, next: &Self, gap: &str) {
        self.text.push_str(gap);
        let offset = self.text.len();
        self.gaps.push(Gap { at: offset, from: self.right, to: next.left });
        self.gaps.extend(next.gaps.iter().map(|gap| Gap { at: gap.at + offset, ..*gap }));
        self.text.push_str(&next.text);
        self.left = self.left.min(next.left);
        self.right = self.right.max(next.right);
        if next.chars > self.chars {
            self.size = next.size;
        }
        self.chars += next.chars;
        self.bold_chars += next.bold_chars;
        self.mono_chars += next.mono_chars;
        self.bold = self.bold_chars * 10 > self.chars * 8;
        self.mono = self.mono_chars * 10 > self.chars * 7;
    }
}

/// Appends text with ligatures taken apart and radicals and compatibility ideographs replaced by the characters
/// that people search for.
fn push_normal(out: &mut String, text: &str) {
    let odd = |c: char| matches!(c, '\u{2e80}'..='\u{2fdf}' | '\u{f900}'..='\u{faff}' | '\u{fb00}'..='\u{fb06}' | '\u{2f800}'..='\u{2fa1f}');
    if text.chars().any(odd) {
        out.extend(text.nfkc());
    } else {
        out.push_str(text);
    }
}
