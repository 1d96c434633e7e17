//! PDF: exact pages, words spaced by position, reading order, headings by type size.
//!
//! The library below reads objects, fonts and character maps (docs/adr/0030); what text means on a page is decided here.

use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use crate::builder::Builder;
use crate::{Document, Format, Limits, ParseError};

mod blocks;
mod content;
mod font;
mod hyphen;
mod leaders;
mod line;
mod order;
mod running;
mod style;
mod table;

pub(crate) use content::Glyph;

/// Programs put up to this many bytes before the header; viewers accept it.
const HEADER_WITHIN: usize = 1024;

/// Whether a PDF begins in these bytes.
pub(crate) fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEADER_WITHIN.min(bytes.len())).unwrap_or_default();
    if bytes.starts_with(b"%PDF-") {
        return true;
    }
    // Farther in it must begin a line: prose may speak of `%PDF-`.
    head.windows(6).any(|window| matches!(window, [b'\n' | b'\r' | 0, rest @ ..] if rest == b"%PDF-"))
}

/// Whether the file ends before its end: what says where its objects stand follows the last of them. The library would
/// read the pages that are there, and nobody would learn that the others are missing.
fn is_cut(bytes: &[u8]) -> bool {
    let last = |word: &[u8]| bytes.windows(word.len()).rposition(|window| window == word);
    last(b"startxref").is_none_or(|end| last(b"endobj").is_some_and(|object| object > end))
}

/// Reads a PDF.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, ParseError> {
    if is_cut(bytes) {
        return Err(ParseError::broken("its end is missing: it was cut off on its way"));
    }
    let pdf = Pdf::new(bytes.to_vec()).map_err(load_error)?;
    let pages = pdf.pages();
    limits.check("max_pages", pages.len(), limits.max_pages)?;
    let mut reader = content::Reader::new(limits);
    let mut layout = Layout::new(limits);
    for page in pages.iter() {
        let (width, height) = page.render_dimensions();
        let glyphs = reader.page(page)?;
        layout.page(&glyphs, f64::from(width), f64::from(height))?;
    }
    let mut builder = Builder::new(limits);
    let title = pdf.metadata().title.as_deref().map(text_string).unwrap_or_default();
    builder.title(&title);
    layout.write(&mut builder)?;
    builder.finish(Format::Pdf, Some(pages.len()), ParseError::NoText)
}

/// Pages of characters with their places, to be written as blocks; other fixed layouts than PDF come this way too.
pub(crate) struct Layout<'l> {
    limits: &'l Limits,
    pages: Vec<running::PageLines>,
    /// Bytes of text so far.
    length: usize,
}

impl<'l> Layout<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, pages: Vec::new(), length: 0 }
    }

    /// Adds a page of this width and height in points.
    pub(crate) fn page(&mut self, glyphs: &[Glyph], width: f64, height: f64) -> Result<(), ParseError> {
        let pieces = line::pieces(glyphs, width, height);
        self.length += pieces.iter().map(|piece| piece.text.len()).sum::<usize>();
        self.limits.check("max_text_bytes", self.length, self.limits.max_text_bytes)?;
        self.pages.push(running::PageLines { lines: order::lines(pieces), height });
        Ok(())
    }

    /// Writes all pages: what runs on each of them is written once.
    pub(crate) fn write(mut self, builder: &mut Builder<'_>) -> Result<(), ParseError> {
        running::remove(&mut self.pages);
        blocks::write(builder, self.pages)
    }
}

fn load_error(error: LoadPdfError) -> ParseError {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => ParseError::Encrypted,
        LoadPdfError::Decryption(_) => ParseError::broken("its encryption is not understood"),
        LoadPdfError::Invalid => ParseError::broken("it is not a whole PDF"),
    }
}

/// A PDF text string: UTF-16 or UTF-8 by its mark, else nearly Latin-1.
fn text_string(bytes: &[u8]) -> String {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0.into_owned();
    }
    encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
}
