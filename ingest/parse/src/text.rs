//! Plain text: paragraphs at blank lines and indents, lists, and headings where there is little doubt.

use crate::builder::Builder;
use crate::reflow::{Hyphen, columns, push_line};
use crate::{Document, Format, Limits, ParseError};

mod heading;

/// Reads decoded text.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Document, ParseError> {
    let mut builder = Builder::new(limits);
    append(&mut builder, text)?;
    builder.finish(Format::Text, None, ParseError::Empty)
}

/// Reads a program or data in lines: code, parted at blank lines.
pub(crate) fn parse_source(text: &str, limits: &Limits) -> Result<Document, ParseError> {
    let mut builder = Builder::new(limits);
    let mut part = String::new();
    for line in text.lines() {
        // Short functions stay together: a part of two lines says little.
        if line.trim().is_empty() && part.len() >= SHORT_PART {
            builder.code(&std::mem::take(&mut part))?;
        }
        part.push_str(line);
        part.push('\n');
    }
    builder.code(&part)?;
    builder.finish(Format::Text, None, ParseError::Empty)
}

/// Bytes below which a part of a program is joined with the next: about a dozen lines.
const SHORT_PART: usize = 400;

/// Adds the blocks of `text` to a document; mail bodies come this way too.
pub(crate) fn append(builder: &mut Builder<'_>, text: &str) -> Result<(), ParseError> {
    let mut reader = Reader { builder, lines: Vec::new(), bytes: 0 };
    let mut lines = text.lines().flat_map(|line| line.split('\u{c}')).peekable();
    let mut after_blank = true;
    while let Some(line) = lines.next() {
        let blank = line.trim().is_empty();
        let next = lines.peek().copied().unwrap_or_default();
        if blank {
            reader.flush()?;
        } else if let Some(level) = heading::underlined(line, next).filter(|_| reader.lines.is_empty()) {
            reader.heading(level, line)?;
            lines.next();
        } else if let Some(level) = heading::guess(line, next, after_blank) {
            reader.heading(level, line)?;
        } else {
            reader.line(line)?;
        }
        after_blank = blank;
    }
    reader.flush()
}

struct Reader<'t, 'b, 'l> {
    builder: &'b mut Builder<'l>,
    /// The lines of the paragraph being read.
    lines: Vec<&'t str>,
    bytes: usize,
}

/// Paragraphs longer than this end at the next sentence that ends a line; logs have no blank lines at all.
const LONG_PARAGRAPH: usize = 8 << 10;

impl<'t> Reader<'t, '_, '_> {
    fn line(&mut self, line: &'t str) -> Result<(), ParseError> {
        let ended = self.lines.last().is_some_and(|last| ends_sentence(last));
        let indented = line.starts_with("\u{3000}") || (ended && line.starts_with("  "));
        if indented || bullet(line).is_some() || (ended && self.bytes > LONG_PARAGRAPH) {
            self.flush()?;
        }
        self.bytes += line.len();
        self.lines.push(line);
        Ok(())
    }

    fn heading(&mut self, level: usize, line: &str) -> Result<(), ParseError> {
        self.flush()?;
        self.builder.heading(level, line)
    }

    fn flush(&mut self) -> Result<(), ParseError> {
        let lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        let Some(first) = lines.first() else { return Ok(()) };
        let item = bullet(first);
        let text = if item.is_some() || is_wrapped(&lines) {
            lines.iter().fold(String::new(), |mut out, line| {
                push_line(&mut out, line, Hyphen::Keep);
                out
            })
        } else {
            lines.join("\n")
        };
        match item {
            Some(depth) => self.builder.list_item(depth, "-", text.get(bullet_width(&text)..).unwrap_or_default()),
            None => self.builder.paragraph(&text),
        }
    }
}

/// Whether lines were broken by a fixed width rather than on purpose: all but the last are about equally long.
fn is_wrapped(lines: &[&str]) -> bool {
    let widths = lines.iter().map(|line| columns(line.trim_end()));
    let longest = widths.clone().max().unwrap_or(0);
    longest >= 40 && widths.take(lines.len().saturating_sub(1)).all(|width| width * 10 >= longest * 7)
}

fn ends_sentence(line: &str) -> bool {
    line.trim_end().ends_with(['.', '!', '?', ':', '。', '！', '？', '：', '”', '；'])
}

/// The depth of a list item when the line begins with a bullet.
fn bullet(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    let width = bullet_width(rest);
    (width > 0).then(|| (line.len() - rest.len()) / 2)
}

/// Bytes of the bullet and its space.
fn bullet_width(rest: &str) -> usize {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('-' | '*' | '+'), Some(' ' | '\t')) => 2,
        (Some(mark @ ('•' | '·' | '●' | '■' | '◆' | '○' | '▪')), Some(_)) => mark.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
