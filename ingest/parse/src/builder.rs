//! Puts blocks together into a document, so that no format has to keep ranges right by itself.

use crate::{Block, BlockKind, Document, Format, Limits, ParseError};

/// Grows one document. Every method that takes text cleans it first; text that is empty after that adds nothing.
pub(crate) struct Builder<'l> {
    limits: &'l Limits,
    text: String,
    blocks: Vec<Block>,
    page: Option<u32>,
    title: Option<String>,
    cells: u64,
}

impl<'l> Builder<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, text: String::new(), blocks: Vec::new(), page: None, title: None, cells: 0 }
    }

    pub(crate) fn limits(&self) -> &'l Limits {
        self.limits
    }

    /// The blocks that follow begin on `page`, counted from 1.
    pub(crate) fn page(&mut self, page: usize) -> Result<(), ParseError> {
        self.limits.check("max_pages", page, self.limits.max_pages)?;
        self.page = u32::try_from(page).ok();
        Ok(())
    }

    /// The first title that is not blank wins.
    pub(crate) fn title(&mut self, title: &str) {
        let mut clean = String::new();
        push_clean(&mut clean, title, Lines::Join);
        if self.title.is_none() && !clean.is_empty() {
            self.title = Some(clean);
        }
    }

    /// `level` is brought into 1 to 6.
    pub(crate) fn heading(&mut self, level: usize, text: &str) -> Result<(), ParseError> {
        let level = u8::try_from(level.clamp(1, 6)).unwrap_or(6);
        self.push(BlockKind::Heading { level }, "", text, Lines::Join)
    }

    /// Single line ends are kept, blank lines are not.
    pub(crate) fn paragraph(&mut self, text: &str) -> Result<(), ParseError> {
        self.push(BlockKind::Paragraph, "", text, Lines::Keep)
    }

    /// Entries of a table of contents.
    pub(crate) fn contents(&mut self, text: &str) -> Result<(), ParseError> {
        self.push(BlockKind::Contents, "", text, Lines::Keep)
    }

    /// `depth` counts from 0, `marker` is what stands before the item, such as `-` or `2.`.
    pub(crate) fn list_item(&mut self, depth: usize, marker: &str, text: &str) -> Result<(), ParseError> {
        let mut lead = "  ".repeat(depth.min(16));
        lead.push_str(marker);
        lead.push(' ');
        self.push(BlockKind::ListItem, &lead, text, Lines::Keep)
    }

    /// One row of a table. Cells are joined with ` | `; empty cells at the end are left out.
    pub(crate) fn row<T: AsRef<str>>(&mut self, kind: BlockKind, cells: &[T]) -> Result<(), ParseError> {
        self.cells = self.cells.saturating_add(cells.len() as u64);
        if self.cells > self.limits.max_cells {
            return Err(ParseError::TooLarge { limit: "max_cells", allowed: self.limits.max_cells });
        }
        let mut line = String::new();
        let mut pending = 0;
        for cell in cells {
            let before = line.len();
            line.extend(std::iter::repeat_n(" | ", pending));
            let start = line.len();
            push_clean(&mut line, cell.as_ref(), Lines::Join);
            if line.len() == start {
                line.truncate(before);
            } else {
                pending = 0;
            }
            pending += 1;
        }
        // A row with one filled cell is that cell: the bars in front of it would say nothing.
        let filled = cells.iter().filter(|cell| !cell.as_ref().trim().is_empty()).count();
        let line = if filled == 1 { line.trim_start_matches([' ', '|']) } else { line.trim_start() };
        self.push_ready(kind, line)
    }

    /// Line ends and indentation are kept; blank lines at both ends are not.
    pub(crate) fn code(&mut self, text: &str) -> Result<(), ParseError> {
        let mut clean = String::with_capacity(text.len());
        for line in text.lines() {
            clean.extend(line.trim_end().chars().filter(|c| *c == '\t' || !is_noise(*c)));
            clean.push('\n');
        }
        let first = clean.len() - clean.trim_start_matches('\n').len();
        let inner = clean.get(first..).unwrap_or_default().trim_end();
        let inner = if inner.trim().is_empty() { "" } else { inner };
        self.push_ready(BlockKind::Code, inner)
    }

    /// The blocks of a document inside this one, its headings `deeper` levels down. Its pages are not those of this one.
    pub(crate) fn include(&mut self, inner: &Document, deeper: u8) -> Result<(), ParseError> {
        self.page = None;
        for block in &inner.blocks {
            let kind = match block.kind {
                BlockKind::Heading { level } => BlockKind::Heading { level: level.saturating_add(deeper).min(6) },
                other => other,
            };
            self.push_ready(kind, inner.text.get(block.range.clone()).unwrap_or_default())?;
        }
        Ok(())
    }

    /// The document, or `absent` when it has no block.
    pub(crate) fn finish(
        self,
        format: Format,
        pages: Option<usize>,
        absent: ParseError,
    ) -> Result<Document, ParseError> {
        if self.blocks.is_empty() {
            return Err(absent);
        }
        let pages = pages.and_then(|pages| u32::try_from(pages).ok());
        Ok(Document { format, title: self.title, text: self.text, blocks: self.blocks, pages })
    }

    fn push(&mut self, kind: BlockKind, lead: &str, text: &str, lines: Lines) -> Result<(), ParseError> {
        self.room_for(text.len() + lead.len())?;
        let before = self.text.len();
        self.separate(kind);
        let start = self.text.len();
        self.text.push_str(lead);
        let content = self.text.len();
        push_clean(&mut self.text, text, lines);
        if self.text.len() == content {
            self.text.truncate(before);
            return Ok(());
        }
        self.close(kind, start)
    }

    fn push_ready(&mut self, kind: BlockKind, text: &str) -> Result<(), ParseError> {
        if text.is_empty() {
            return Ok(());
        }
        self.room_for(text.len())?;
        self.separate(kind);
        let start = self.text.len();
        self.text.push_str(text);
        self.close(kind, start)
    }

    fn room_for(&self, more: usize) -> Result<(), ParseError> {
        let after = self.text.len().saturating_add(more);
        self.limits.check("max_text_bytes", after, self.limits.max_text_bytes)
    }

    /// One newline inside a list or a table, two everywhere else.
    fn separate(&mut self, next: BlockKind) {
        let Some(last) = self.blocks.last() else { return };
        let same = matches!(
            (last.kind, next),
            (BlockKind::ListItem, BlockKind::ListItem)
                | (BlockKind::TableHeader | BlockKind::TableRow, BlockKind::TableRow)
        );
        self.text.push_str(if same { "\n" } else { "\n\n" });
    }

    fn close(&mut self, kind: BlockKind, start: usize) -> Result<(), ParseError> {
        self.blocks.push(Block { kind, range: start..self.text.len(), page: self.page });
        self.limits.check("max_blocks", self.blocks.len(), self.limits.max_blocks)
    }
}

/// What becomes of line ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// A line end is a space.
    Join,
    /// A line end stays; several in a row become one.
    Keep,
}

/// Appends `text` without control and invisible characters, with single spaces, trimmed.
pub(crate) fn push_clean(out: &mut String, text: &str, lines: Lines) {
    out.reserve(text.len());
    let start = out.len();
    let mut gap = None;
    for c in text.chars() {
        if c == '\n' && lines == Lines::Keep {
            gap = Some('\n');
        } else if c.is_whitespace() {
            gap = gap.or(Some(' '));
        } else if !is_noise(c) {
            if let Some(gap) = gap.take().filter(|_| out.len() > start) {
                out.push(gap);
            }
            out.push(c);
        }
    }
}

/// Control characters, soft hyphens, byte order marks, zero-width spaces, direction marks and noncharacters:
/// they are not seen, and they break words for search.
fn is_noise(c: char) -> bool {
    if c.is_ascii_graphic() || c == ' ' {
        return false;
    }
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_separated_by_newlines_and_rows_stay_together() {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        builder.heading(9, " A\u{ad}b \n c ").unwrap();
        builder.paragraph("one\r\n\r\ntwo\u{200b}").unwrap();
        builder.row(BlockKind::TableHeader, &["x", "", "y", ""]).unwrap();
        builder.row(BlockKind::TableRow, &["1", "2\n3"]).unwrap();
        builder.paragraph(" \u{feff} ").unwrap();
        let document = builder.finish(Format::Text, None, ParseError::Empty).unwrap();
        assert_eq!(document.text, "Ab c\n\none\ntwo\n\nx |  | y\n1 | 2 3");
        assert_eq!(document.blocks[0].kind, BlockKind::Heading { level: 6 });
        assert_eq!(document.blocks.len(), 4);
    }

    #[test]
    fn the_text_limit_is_named() {
        let limits = Limits { max_text_bytes: 4, ..Limits::default() };
        let error = Builder::new(&limits).paragraph("hello").unwrap_err();
        assert_eq!(error, ParseError::TooLarge { limit: "max_text_bytes", allowed: 4 });
    }
}
