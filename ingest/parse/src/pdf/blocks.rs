//! Lines to headings, paragraphs, lists, code and tables.

use std::ops::Range;

use super::hyphen::Hyphens;
use super::leaders::{self, Closed};
use super::order::Line;
use super::running::PageLines;
use super::style::{Styles, same_size};
use super::table::{self, Table};
use crate::builder::Builder;
use crate::reflow::{Hyphen, is_wide, push_line};
use crate::{BlockKind, ParseError};

/// Longest heading, in characters: larger type above this is a quotation or a slide's text.
const LONGEST_HEADING: usize = 160;

/// Writes the blocks of all pages.
pub(super) fn write(builder: &mut Builder<'_>, mut pages: Vec<PageLines>) -> Result<(), ParseError> {
    let styles = Styles::of(&pages);
    let hyphens = Hyphens::of(&pages);
    mend_page_ends(&mut pages, &hyphens);
    for (index, page) in pages.iter().enumerate() {
        builder.page(index + 1)?;
        let mut writer = Writer {
            builder,
            styles: &styles,
            hyphens: &hyphens,
            open: Vec::new(),
            margin: right_margins(&page.lines),
        };
        let mut at = 0;
        for table in table::find(&page.lines, &hyphens) {
            writer.lines(at..table.lines.start, &page.lines)?;
            writer.table(&table)?;
            at = table.lines.end;
        }
        writer.lines(at..page.lines.len(), &page.lines)?;
    }
    Ok(())
}

struct Writer<'w, 'l, 'p> {
    builder: &'w mut Builder<'l>,
    styles: &'w Styles,
    hyphens: &'w Hyphens,
    /// The lines of the block being read, with their places on the page.
    open: Vec<(usize, &'p Line)>,
    /// Where the text of each line's column ends on the right.
    margin: Vec<f64>,
}

impl<'p> Writer<'_, '_, 'p> {
    /// Lines outside tables.
    fn lines(&mut self, range: Range<usize>, lines: &'p [Line]) -> Result<(), ParseError> {
        for (at, line) in lines.iter().enumerate().take(range.end).skip(range.start) {
            self.line(at, line)?;
        }
        self.flush()
    }

    fn table(&mut self, table: &Table) -> Result<(), ParseError> {
        for (index, row) in table.rows.iter().enumerate() {
            let is_header = index == 0 && table.has_header;
            self.builder.row(if is_header { BlockKind::TableHeader } else { BlockKind::TableRow }, row)?;
        }
        Ok(())
    }

    fn line(&mut self, at: usize, line: &'p Line) -> Result<(), ParseError> {
        if let Some((before, last)) = self.open.last()
            && self.parts(*before, last, line)
        {
            self.flush()?;
        }
        self.open.push((at, line));
        Ok(())
    }

    /// Whether a new block begins at `next`.
    fn parts(&self, at: usize, last: &Line, next: &Line) -> bool {
        let (a, b) = (&last.piece, &next.piece);
        let first = self.open.first().map_or(&last.piece, |(_, first)| &first.piece);
        let short = self.margin.get(at).is_some_and(|margin| a.right < margin - a.size * 3.0);
        let ended = ends_sentence(&a.text);
        // A long name or address may fill a line of prose with code type.
        let prose = first.mono == b.mono || (!first.mono && !short && !ended);
        if !same_size(a.size, b.size) || !prose {
            return true;
        }
        let heading = self.styles.heading(last);
        if heading != self.styles.heading(next) {
            return true;
        }
        let drop = b.y - a.y;
        if drop < 0.0 {
            // A new column goes on with the sentence unless it ended or the next begins with an indent or a bullet.
            return !last.ends_column || first.mono || ended || starts_item(&b.text);
        }
        if first.mono {
            return drop > a.size * 2.6;
        }
        if drop > self.styles.leading(a.size) * 1.35 + 0.5 {
            return true;
        }
        if heading.is_some() {
            return false;
        }
        let indented = b.left > first.left + b.size * 0.8 && b.left > a.left + b.size * 0.8;
        let marker = starts_item(&b.text) && (b.left <= first.left + b.size || short || ended);
        marker || (indented && (ended || short)) || (short && ended)
    }

    fn flush(&mut self) -> Result<(), ParseError> {
        let lines = std::mem::take(&mut self.open);
        let Some((_, first)) = lines.first() else { return Ok(()) };
        if first.piece.mono && !starts_item(&first.piece.text) {
            return self.builder.code(&code(&lines));
        }
        let table = lines.len() > 1 && lines.iter().filter(|(_, line)| line.cells > 1).count() * 2 > lines.len();
        let text = lines.iter().fold(String::new(), |mut text, (_, line)| {
            if table && !text.is_empty() {
                text.push('\n');
                text.push_str(&line.piece.text);
            } else {
                let added = self.hyphens.is_added(&text, &line.piece.text);
                push_line(&mut text, &line.piece.text, if added { Hyphen::Mend } else { Hyphen::Keep });
            }
            text
        });
        let heading =
            self.styles.heading(first).filter(|_| text.chars().count() <= LONGEST_HEADING && has_words(&text));
        if let Some(level) = heading {
            return self.builder.heading(level, &text);
        }
        let Closed { text, is_contents } = leaders::close(&text);
        match bullet(&text) {
            _ if is_contents => self.builder.contents(&text),
            Some(rest) => self.builder.list_item(0, "-", rest),
            None => self.builder.paragraph(&text),
        }
    }
}

/// For each line the right end of the lines near it that stand in its column.
fn right_margins(lines: &[Line]) -> Vec<f64> {
    /// Lines looked at on either side: a paragraph or two.
    const NEAR: usize = 12;
    let margin = |at: usize| {
        let near = lines.iter().skip(at.saturating_sub(NEAR)).take(NEAR * 2);
        let own = lines.get(at).map(|line| &line.piece);
        let beside =
            near.filter(|line| own.is_none_or(|own| line.piece.left < own.right && line.piece.right > own.left));
        beside.map(|line| line.piece.right).fold(0.0, f64::max)
    };
    (0..lines.len()).map(margin).collect()
}

/// A word broken at the end of a page is put together on the page it begins on.
fn mend_page_ends(pages: &mut [PageLines], hyphens: &Hyphens) {
    for index in 1..pages.len() {
        let Some([before, after]) = pages.get_mut(index - 1..=index) else { continue };
        let (Some(last), Some(first)) = (before.lines.last_mut(), after.lines.first_mut()) else { continue };
        if hyphens.is_added(&last.piece.text, &first.piece.text) {
            let rest = first.piece.text.split_once(' ').map_or(&*first.piece.text, |(rest, _)| rest);
            last.piece.text.pop();
            last.piece.text.push_str(rest);
            first.piece.drop_first_word();
        }
    }
}

/// Lines of code with the indentation their places show.
fn code(lines: &[(usize, &Line)]) -> String {
    let left = lines.iter().map(|(_, line)| line.piece.left).fold(f64::INFINITY, f64::min);
    let mut out = String::new();
    for (_, line) in lines {
        let piece = &line.piece;
        // Monospaced type is about 0.6 wide.
        let indent = ((piece.left - left) / (piece.size * 0.6)).round().clamp(0.0, 120.0);
        out.extend(std::iter::repeat_n(' ', indent as usize));
        out.push_str(&piece.text);
        out.push('\n');
    }
    out
}

fn has_words(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() >= 2
}

fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', ')', '”', '’', '）', '」', '』', ' ']);
    text.ends_with(['.', '!', '?', ':', ';', '。', '！', '？', '：', '；'])
}

const BULLETS: [char; 14] = ['•', '●', '○', '■', '□', '▪', '◆', '◇', '–', '—', '·', '∙', '➢', '✓'];

/// The text after a bullet, when it begins with one.
fn bullet(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(BULLETS).or_else(|| text.strip_prefix("- "))?;
    (rest.starts_with(' ') || rest.starts_with(is_wide)).then(|| rest.trim_start())
}

/// Whether a text is nothing but what stands before a list item: `•`, `1.`, `(2)`, `三、`.
pub(super) fn is_mark(text: &str) -> bool {
    let dash = |c: char| matches!(c, '-' | '−' | '*') || BULLETS.contains(&c);
    text.chars().count() <= 4 && (text.chars().all(dash) || text.ends_with(['.', ')', '、', '）', '．']))
}

/// Bullets and numbers: `•`, `1.`, `2)`, `(3)`, `（一）`, `一、`, `①`, `第一条`.
fn starts_item(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    if BULLETS.contains(&first) || ('①'..='⑳').contains(&first) || text.starts_with("- ") {
        return true;
    }
    let numeral = |c: char| c.is_ascii_digit() || "一二三四五六七八九十".contains(c);
    if matches!(first, '(' | '（' | '第') {
        let rest = chars.as_str();
        let after = rest.trim_start_matches(numeral);
        return after.len() < rest.len() && after.starts_with([')', '）', '条', '章', '节', '款']);
    }
    let after = text.trim_start_matches(numeral);
    let digits = text.len() - after.len();
    match after.chars().next() {
        Some('、') => digits > 0,
        Some('.' | ')' | '．') => {
            (1..=3).contains(&digits) && after.chars().nth(1).is_some_and(|c| c == ' ' || is_wide(c))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_known_by_their_marks() {
        for text in ["• one", "1. one", "12) one", "(3) one", "（二）范围", "三、付款", "① 一", "第五条 违约", "- one"]
        {
            assert!(starts_item(text), "{text}");
        }
        for text in ["2026 was", "1.5 times", "one", "第三方", "-x"] {
            assert!(!starts_item(text), "{text}");
        }
    }
}
