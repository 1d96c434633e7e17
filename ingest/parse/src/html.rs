//! HTML: the blocks a reader sees, without navigation, scripts and styles.

use std::borrow::Cow;

use crate::builder::Builder;
use crate::reflow::{Hyphen, push_line};
use crate::{BlockKind, Document, Format, Limits, ParseError};

mod skip;
mod table;
mod token;

use skip::Skip;
use table::Tables;
use token::{Tag, Token, Tokens, push_decoded};

/// Reads decoded HTML.
pub(crate) fn parse(html: &str, limits: &Limits) -> Result<Document, ParseError> {
    let mut builder = Builder::new(limits);
    let title = append(&mut builder, html)?;
    builder.title(&title);
    builder.finish(Format::Html, None, ParseError::Empty)
}

/// Adds the blocks of `html` to a document and returns its title. Mail bodies come this way too.
pub(crate) fn append(builder: &mut Builder<'_>, html: &str) -> Result<String, ParseError> {
    let mut reader = Reader::new(builder.limits(), Skip::boilerplate());
    reader.read(html)?;
    if reader.pieces.is_empty() {
        // An unclosed <nav> would hide everything: then everything is shown.
        reader = Reader::new(builder.limits(), Skip::nothing());
        reader.read(html)?;
    }
    reader.emit(builder)
}

/// Whether text begins as HTML does.
pub(crate) fn looks_like(text: &str) -> bool {
    let mut rest = text.trim_start();
    for _ in 0..8 {
        let end = match rest {
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<?xml") => "?>",
            _ => break,
        };
        rest = rest.split_once(end).map_or("", |(_, rest)| rest).trim_start();
    }
    let head: String = rest.chars().take(14).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|start| head.starts_with(start))
}

/// The encoding that a `<meta>` or an XML declaration in the first bytes names.
pub(crate) fn declared_charset(bytes: &[u8]) -> Option<String> {
    let head: String = bytes.iter().take(1024).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let declaration = head.find("<meta").or_else(|| head.find("<?xml"))?;
    let head = head.get(declaration..)?;
    let at = head.find("charset=").map(|at| at + 8).or_else(|| head.find("encoding=").map(|at| at + 9))?;
    let value = head.get(at..)?.trim_start_matches(['"', '\'', ' ']);
    let label: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
    (!label.is_empty()).then_some(label)
}

/// What a block is, with what `Builder` wants to know of it.
enum Piece {
    Heading(usize),
    Paragraph,
    Item { depth: usize, marker: String },
    Row(BlockKind, Vec<String>),
    Code,
}

/// A line end that the page asks for, as opposed to one of its source.
const BREAK: char = '\u{1}';

struct Reader<'l> {
    limits: &'l Limits,
    skip: Skip,
    title: String,
    /// Blocks so far; the flag says whether they lie in `<main>` or `<article>`.
    pieces: Vec<(Piece, String, bool)>,
    main_depth: usize,
    /// The text of the block being read.
    text: String,
    next: Piece,
    /// Open lists: the number of the last item, 0 for bullets.
    lists: Vec<Option<usize>>,
    tables: Tables,
    preformatted: usize,
    bytes: usize,
}

impl<'l> Reader<'l> {
    fn new(limits: &'l Limits, skip: Skip) -> Self {
        Self {
            limits,
            skip,
            title: String::new(),
            pieces: Vec::new(),
            main_depth: 0,
            text: String::new(),
            next: Piece::Paragraph,
            lists: Vec::new(),
            tables: Tables::default(),
            preformatted: 0,
            bytes: 0,
        }
    }

    fn read(&mut self, html: &str) -> Result<(), ParseError> {
        for token in Tokens::new(html) {
            match token {
                Token::Title(text) if self.title.is_empty() => push_decoded(&mut self.title, text),
                Token::Title(_) => {}
                Token::Text(text) if !self.skip.is_on() => self.push_text(text),
                Token::Text(_) => {}
                Token::Open(tag) => {
                    if !self.skip.open(&tag, self.main_depth > 0) {
                        self.open(&tag)?;
                    }
                }
                Token::Close(name) => {
                    if !self.skip.close(&name) {
                        self.close(&name)?;
                    }
                }
            }
        }
        self.flush()?;
        self.end_tables()
    }

    fn push_text(&mut self, text: &str) {
        // A table cell takes text, white space between cells belongs to nobody.
        if self.tables.between_cells() && text.trim().is_empty() {
            return;
        }
        push_decoded(&mut self.text, text);
    }

    fn open(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        match &*tag.name {
            "br" => self.text.push(if self.preformatted > 0 { '\n' } else { BREAK }),
            "main" | "article" => {
                self.flush()?;
                self.main_depth += 1;
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush()?;
                self.show_cells_as_blocks()?;
                self.next = Piece::Heading(heading_level(&tag.name));
            }
            "ul" | "menu" | "dir" => self.begin_list(None)?,
            "ol" => {
                let start = tag.attribute("start").and_then(|start| start.trim().parse::<usize>().ok());
                self.begin_list(Some(start.unwrap_or(1).saturating_sub(1)))?;
            }
            "li" => self.begin_item()?,
            "pre" | "listing" => {
                self.flush()?;
                self.preformatted += 1;
                self.next = Piece::Code;
            }
            "table" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" | "caption" => self.open_table(tag)?,
            name if is_block(name) => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        match name {
            "main" | "article" => {
                self.flush()?;
                self.main_depth = self.main_depth.saturating_sub(1);
            }
            "ul" | "ol" | "menu" | "dir" => {
                self.flush()?;
                self.lists.pop();
            }
            "pre" | "listing" => {
                self.flush()?;
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            "table" | "thead" | "tr" | "td" | "th" | "caption" => self.close_table(name)?,
            "br" => self.text.push(BREAK),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "li" => self.flush()?,
            name if is_block(name) => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    fn begin_list(&mut self, number: Option<usize>) -> Result<(), ParseError> {
        self.flush()?;
        self.lists.push(number);
        self.limits.check("max_nesting", self.lists.len(), self.limits.max_nesting)
    }

    fn begin_item(&mut self) -> Result<(), ParseError> {
        self.flush()?;
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number = number.saturating_add(1);
                format!("{number}.")
            }
            _ => "-".to_owned(),
        };
        self.next = Piece::Item { depth: self.lists.len().saturating_sub(1), marker };
        Ok(())
    }

    /// Ends the block being read. Inside a table cell the text goes on as one line.
    fn flush(&mut self) -> Result<(), ParseError> {
        if self.tables.in_cell() {
            self.text.push(BREAK);
            return Ok(());
        }
        if self.text.trim_matches(|c: char| c == BREAK || c.is_whitespace()).is_empty() {
            self.text.clear();
            // `<li><p>` must not lose its marker, a heading without text must not mark what follows.
            if !matches!(self.next, Piece::Item { .. } | Piece::Code) {
                self.next = Piece::Paragraph;
            }
            return Ok(());
        }
        let raw = std::mem::take(&mut self.text);
        let text = if self.preformatted > 0 { raw.replace(BREAK, "\n") } else { unwrap(&raw) };
        let after = if self.preformatted > 0 { Piece::Code } else { Piece::Paragraph };
        let mut piece = std::mem::replace(&mut self.next, after);
        if self.preformatted > 0 {
            piece = Piece::Code;
        } else if matches!(piece, Piece::Code) {
            piece = Piece::Paragraph;
        }
        self.add(piece, text)
    }

    fn add(&mut self, piece: Piece, text: String) -> Result<(), ParseError> {
        self.bytes += weight(&piece, &text);
        self.limits.check("max_text_bytes", self.bytes, self.limits.max_text_bytes)?;
        self.limits.check("max_blocks", self.pieces.len(), self.limits.max_blocks)?;
        self.pieces.push((piece, text, self.main_depth > 0));
        Ok(())
    }

    /// Hands the blocks to the builder: those of `<main>` and `<article>` alone when they are most of the text.
    fn emit(self, builder: &mut Builder<'_>) -> Result<String, ParseError> {
        let main: usize =
            self.pieces.iter().filter(|(.., main)| *main).map(|(piece, text, _)| weight(piece, text)).sum();
        let only_main = main * 2 > self.bytes;
        for (piece, text, _) in self.pieces.iter().filter(|(.., main)| *main || !only_main) {
            match piece {
                Piece::Heading(level) => builder.heading(*level, text)?,
                Piece::Paragraph => builder.paragraph(text)?,
                Piece::Item { depth, marker } => builder.list_item(*depth, marker, text)?,
                Piece::Row(kind, cells) => builder.row(*kind, cells)?,
                Piece::Code => builder.code(text)?,
            }
        }
        Ok(self.title)
    }
}

/// Bytes of text in a block.
fn weight(piece: &Piece, text: &str) -> usize {
    match piece {
        Piece::Row(_, cells) => cells.iter().map(String::len).sum(),
        _ => text.len(),
    }
}

fn heading_level(name: &str) -> usize {
    name.get(1..).and_then(|level| level.parse().ok()).unwrap_or(6)
}

/// Elements that begin on a line of their own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "nav"
            | "option"
            | "p"
            | "search"
            | "section"
            | "select"
            | "summary"
    )
}

/// Source lines joined, breaks as line ends.
fn unwrap(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for part in raw.split(BREAK) {
        let mut line = Cow::Borrowed(part.trim());
        if line.contains('\n') {
            line = Cow::Owned(line.lines().fold(String::new(), |mut joined, source| {
                push_line(&mut joined, source, Hyphen::Keep);
                joined
            }));
        }
        if !out.is_empty() && !line.is_empty() {
            out.push('\n');
        }
        out.push_str(&line);
    }
    out
}

#[cfg(test)]
mod tests;
