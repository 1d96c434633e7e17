//! Where a Word file's pages begin: where Word noted it, or else where its author broke them.

use crate::reflow::columns;
use crate::xml::{Node, Xml};
use crate::{Block, BlockKind, Document, Limits, ParseError};

/// Lines of text that a page holds: A4 with narrow margins and small type.
const LINES: usize = 75;

/// Columns of a line, of which an ideograph takes two.
const LINE_COLUMNS: usize = 90;

/// What the file says about its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Breaks {
    /// Nothing.
    None,
    /// Word, when it last showed the file, noted where each page began.
    Noted,
    /// Only the breaks that were typed. Programs that make files write no others.
    Typed {
        /// For each section but the first, in reverse order, whether it begins a page.
        sections: Vec<bool>,
    },
}

impl Breaks {
    pub(super) fn of(content: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let has = |needle: &[u8]| content.windows(needle.len()).any(|window| window == needle);
        if has(b"lastRenderedPageBreak") {
            return Ok(Self::Noted);
        }
        let mut sections = sections(content, limits)?;
        sections.reverse();
        sections.pop();
        if sections.contains(&true) || has(b"pageBreakBefore") || has(b"\"page\"") {
            return Ok(Self::Typed { sections });
        }
        Ok(Self::None)
    }

    pub(super) fn are_typed(&self) -> bool {
        matches!(self, Self::Typed { .. })
    }

    /// Whether the section that follows the one just ended begins a page.
    pub(super) fn next_section(&mut self) -> bool {
        match self {
            Self::Typed { sections } => sections.pop().unwrap_or(false),
            _ => false,
        }
    }

    /// Takes the pages out again when one of them holds more than a page: then it is not known where it ended.
    pub(super) fn judge(&self, document: &mut Document) {
        let mut lines = 0;
        let mut page = None;
        let overflows = self.are_typed()
            && document.blocks.iter().any(|block| {
                lines = if page == block.page { lines } else { 0 };
                page = block.page;
                lines += lines_of(document.text.get(block.range.clone()).unwrap_or_default(), block);
                lines > LINES
            });
        if overflows {
            document.pages = None;
            document.blocks.iter_mut().for_each(|block| block.page = None);
        }
    }
}

fn lines_of(text: &str, block: &Block) -> usize {
    let lines = text.lines().map(|line| columns(line).div_ceil(LINE_COLUMNS)).sum::<usize>();
    lines + usize::from(matches!(block.kind, BlockKind::Heading { .. }))
}

/// Whether each section of the body begins a page; that is the default.
fn sections(content: &[u8], limits: &Limits) -> Result<Vec<bool>, ParseError> {
    let mut xml = Xml::new(content, limits);
    let mut sections = Vec::new();
    let mut inside = false;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "sectPr" => {
                    inside = true;
                    sections.push(true);
                }
                "type" if inside => {
                    let goes_on = matches!(tag.attribute("val").as_deref(), Some("continuous" | "nextColumn"));
                    sections.pop();
                    sections.push(!goes_on);
                }
                "sectPrChange" => xml.skip()?,
                _ => {}
            },
            Node::Close(name) if name.as_str() == "sectPr" => inside = false,
            Node::End => return Ok(sections),
            _ => {}
        }
    }
}
