//! Running text: headings, paragraphs, lists, notes, pages.

use super::lists::Lists;
use super::styles::Styles;
use super::table;
use crate::builder::Builder;
use crate::xml::{Node, Tag, Xml};
use crate::{Document, ParseError};

/// Reads the text whose start tag was just read. `pages` is how many it has, when its breaks are known to be all there.
pub(super) fn read(
    xml: &mut Xml<'_>,
    builder: Builder<'_>,
    styles: &Styles,
    pages: Option<usize>,
) -> Result<Document, ParseError> {
    let mut flow = Flow::new(builder, styles);
    if pages.is_some() {
        flow.page = Some(1);
        flow.builder.page(1)?;
    }
    flow.blocks(xml)?;
    flow.builder.finish(super::TEXT, pages, super::absent())
}

/// Reads blocks one after the other.
pub(super) struct Flow<'s, 'l> {
    pub(super) builder: Builder<'l>,
    pub(super) styles: &'s Styles,
    lists: Lists,
    /// The page being filled; `None` for texts whose pages are not known.
    page: Option<usize>,
    begun: bool,
    in_contents: bool,
    /// Notes and comments of the paragraph being read.
    attached: Vec<String>,
}

impl<'s, 'l> Flow<'s, 'l> {
    pub(super) fn new(builder: Builder<'l>, styles: &'s Styles) -> Self {
        Self {
            builder,
            styles,
            lists: Lists::default(),
            page: None,
            begun: false,
            in_contents: false,
            attached: Vec::new(),
        }
    }

    /// The blocks up to the end of the element just opened.
    pub(super) fn blocks(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let mut depth = 1_usize;
        while depth > 0 {
            match xml.next()? {
                Node::Open(tag) => depth += usize::from(!self.block(&tag, xml)?),
                Node::Close(_) => depth -= 1,
                Node::Text(_) => {}
                Node::End => break,
            }
        }
        Ok(())
    }

    /// Reads the element to its end and gives true, or leaves what is in it to the caller.
    fn block(&mut self, tag: &Tag<'_>, xml: &mut Xml<'_>) -> Result<bool, ParseError> {
        match tag.name().as_str() {
            "h" | "p" => self.paragraph(tag, xml)?,
            "list" => {
                self.lists.open(tag, self.styles);
                let read = self.blocks(xml);
                self.lists.close();
                read?;
            }
            "list-item" => {
                self.lists.item(tag);
                return Ok(false);
            }
            "table" => {
                self.turn(tag)?;
                table::read(xml, &mut self.builder)?;
            }
            "table-of-content" | "illustration-index" | "table-index" | "alphabetical-index" => {
                self.in_contents = true;
                let read = self.blocks(xml);
                self.in_contents = false;
                read?;
            }
            "soft-page-break" => {
                self.next_page()?;
                return Ok(false);
            }
            name if is_unseen(name) => xml.skip()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn paragraph(&mut self, tag: &Tag<'_>, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        self.turn(tag)?;
        let style = tag.attribute("style-name").unwrap_or_default();
        // A page may end within the paragraph, which belongs to the page it begins on.
        let mut ended = 0;
        let mut inline = Inline { attached: &mut self.attached, ended: &mut ended };
        let text = inline.text(xml)?;
        let heading = tag.name().as_str() == "h";
        if self.in_contents {
            self.builder.contents(&text)?;
        } else if heading || self.styles.descends(&style, "Title") {
            let level = tag.number("outline-level").and_then(|level| usize::try_from(level).ok()).unwrap_or(1);
            self.builder.heading(level, &text)?;
        } else {
            match self.lists.marker(self.styles) {
                Some(marker) => self.builder.list_item(self.lists.depth().saturating_sub(1), &marker, &text)?,
                None => self.builder.paragraph(&text)?,
            }
        }
        for note in std::mem::take(&mut self.attached) {
            self.builder.paragraph(&note)?;
        }
        (0..ended).try_for_each(|_| self.next_page())
    }

    /// Begins a page where the style of a block says so.
    fn turn(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        let style = tag.attribute("style-name").unwrap_or_default();
        if std::mem::replace(&mut self.begun, true) && self.styles.breaks_page(&style) {
            self.next_page()?;
        }
        Ok(())
    }

    fn next_page(&mut self) -> Result<(), ParseError> {
        let Some(page) = &mut self.page else { return Ok(()) };
        *page += 1;
        self.builder.page(*page)
    }
}

/// What is in the file and not in the text.
pub(super) fn is_unseen(name: &str) -> bool {
    matches!(
        name,
        "tracked-changes"
            | "sequence-decls"
            | "variable-decls"
            | "user-field-decls"
            | "forms"
            | "title"
            | "desc"
            | "ruby-text"
            | "binary-data"
            | "event-listeners"
    )
}

/// Reads what is within a paragraph.
pub(super) struct Inline<'f> {
    pub(super) attached: &'f mut Vec<String>,
    /// Pages that ended within it.
    pub(super) ended: &'f mut usize,
}

impl Inline<'_> {
    /// The text of a paragraph up to its end. Notes and comments are set aside.
    pub(super) fn text(&mut self, xml: &mut Xml<'_>) -> Result<String, ParseError> {
        let mut text = String::new();
        let mut depth = 1_usize;
        while depth > 0 {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "s" => {
                        text.push(' ');
                        depth += 1;
                    }
                    "tab" => {
                        text.push('\t');
                        depth += 1;
                    }
                    "line-break" => {
                        text.push('\n');
                        depth += 1;
                    }
                    "soft-page-break" => {
                        *self.ended += 1;
                        depth += 1;
                    }
                    "note" => self.note(xml, &mut text)?,
                    "annotation" => self.comment(xml)?,
                    name if is_unseen(name) => xml.skip()?,
                    _ => depth += 1,
                },
                Node::Close(name) => {
                    depth -= 1;
                    // A paragraph in a text box within the paragraph.
                    if depth > 0 && matches!(name.as_str(), "p" | "h") {
                        text.push('\n');
                    }
                }
                // A line end of the source is a space.
                Node::Text(more) => text.extend(more.chars().map(|c| if c == '\n' { ' ' } else { c })),
                Node::End => break,
            }
        }
        Ok(text)
    }

    fn note(&mut self, xml: &mut Xml<'_>, text: &mut String) -> Result<(), ParseError> {
        let (mut mark, mut body) = (String::new(), String::new());
        let mut depth = 1_usize;
        while depth > 0 {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "note-citation" => mark = xml.text(&[])?,
                    "note-body" => body = xml.text(&[])?,
                    _ => depth += 1,
                },
                Node::Close(_) => depth -= 1,
                Node::Text(_) => {}
                Node::End => break,
            }
        }
        text.push_str(&format!("[{}]", mark.trim()));
        self.attached.push(format!("[{}] {body}", mark.trim()));
        Ok(())
    }

    fn comment(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let body = xml.text(&["creator", "date", "date-string", "creator-initials", "sender-initials"])?;
        if !body.trim().is_empty() {
            self.attached.push(format!("[comment] {}", body.trim()));
        }
        Ok(())
    }
}
