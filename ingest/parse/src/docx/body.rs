//! `word/document.xml`: paragraphs and tables in order.

use super::notes::Notes;
use super::numbering::Numbering;
use super::pages::Breaks;
use super::styles::{ListPlace, Styles};
use super::{FORMAT, absent};
use crate::builder::Builder;
use crate::xml::{Node, Tag, Xml};
use crate::{Document, ParseError};

/// Reads the body into a builder.
pub(super) struct Body<'l> {
    pub(super) builder: Builder<'l>,
    styles: Styles,
    numbering: Numbering,
    notes: Notes,
    breaks: Breaks,
    page: usize,
    /// Something of the body was shown.
    begun: bool,
    /// The run being read is not shown.
    hidden: bool,
    /// Paragraphs of text boxes, shown after the paragraph they are anchored in.
    boxes: Vec<Paragraph>,
}

/// A paragraph with what decides its kind.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    style: Option<String>,
    list: Option<(Option<i64>, Option<usize>)>,
    outline: Option<usize>,
    begins_page: bool,
    ends_section: bool,
    pub(super) page: usize,
}

impl<'l> Body<'l> {
    pub(super) fn new(
        builder: Builder<'l>,
        styles: Styles,
        numbering: Numbering,
        notes: Notes,
        breaks: Breaks,
    ) -> Self {
        Self { builder, styles, numbering, notes, breaks, page: 1, begun: false, hidden: false, boxes: Vec::new() }
    }

    pub(super) fn read(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "p" => {
                        let paragraph = self.paragraph(xml)?;
                        self.show(paragraph)?;
                    }
                    "tbl" => self.table(xml)?,
                    "sectPr" | "Fallback" | "moveFrom" => xml.skip()?,
                    _ => {}
                },
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    pub(super) fn finish(self) -> Result<Document, ParseError> {
        let pages = (self.breaks != Breaks::None).then_some(self.page);
        let mut document = self.builder.finish(FORMAT, pages, absent())?;
        self.breaks.judge(&mut document);
        Ok(document)
    }

    /// The paragraph whose start tag was just read.
    pub(super) fn paragraph(&mut self, xml: &mut Xml<'_>) -> Result<Paragraph, ParseError> {
        let mut paragraph = Paragraph { page: self.page, ..Paragraph::default() };
        loop {
            match xml.next()? {
                Node::Open(tag) => self.inline(&tag, &mut paragraph, xml)?,
                Node::Close(name) if name.as_str() == "p" => return Ok(paragraph),
                Node::End => return Ok(paragraph),
                _ => {}
            }
        }
    }

    fn inline(&mut self, tag: &Tag<'_>, paragraph: &mut Paragraph, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let name = tag.name();
        match name.as_str() {
            "r" => self.hidden = false,
            "rPr" => self.hidden = is_hidden(xml)?,
            "t" if self.hidden => xml.skip()?,
            "t" => {
                let text = xml.text(&[])?;
                if paragraph.text.trim().is_empty() {
                    paragraph.page = self.page;
                }
                paragraph.text.push_str(&text);
            }
            "pPr" => {
                paragraph.properties(xml)?;
                if paragraph.begins_page && self.breaks.are_typed() && self.begun {
                    self.page += 1;
                    paragraph.page = self.page;
                }
            }
            "br" if self.breaks.are_typed() && tag.attribute("type").as_deref() == Some("page") => self.page += 1,
            "tab" | "ptab" => paragraph.text.push('\t'),
            "br" | "cr" => paragraph.text.push('\n'),
            "noBreakHyphen" => paragraph.text.push('-'),
            "lastRenderedPageBreak" => self.page += 1,
            "footnoteReference" | "endnoteReference" => {
                let mark = self.notes.refer(name.as_str(), &tag.attribute("id").unwrap_or_default());
                paragraph.text.push_str(&mark);
            }
            "commentReference" => self.notes.comment(&tag.attribute("id").unwrap_or_default()),
            "txbxContent" => self.text_box(xml)?,
            "Fallback" | "delText" | "instrText" | "moveFrom" | "rt" => xml.skip()?,
            _ => {}
        }
        Ok(())
    }

    fn text_box(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name().as_str() == "p" => {
                    let paragraph = self.paragraph(xml)?;
                    self.boxes.push(paragraph);
                }
                Node::Close(name) if name.as_str() == "txbxContent" => return Ok(()),
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// Adds a paragraph, its text boxes and its notes.
    pub(super) fn show(&mut self, paragraph: Paragraph) -> Result<(), ParseError> {
        self.emit(&paragraph)?;
        self.show_attached()?;
        self.page += usize::from(paragraph.ends_section && self.breaks.next_section());
        Ok(())
    }

    /// A header or a footer, which stands on the first page.
    pub(super) fn running(&mut self, text: &str) -> Result<(), ParseError> {
        self.turn_to(1)?;
        self.builder.paragraph(text)
    }

    pub(super) fn show_attached(&mut self) -> Result<(), ParseError> {
        for boxed in std::mem::take(&mut self.boxes) {
            self.emit(&boxed)?;
        }
        for note in self.notes.take() {
            self.builder.paragraph(&note)?;
        }
        Ok(())
    }

    /// Sets the page that the blocks to come begin on.
    pub(super) fn turn_to(&mut self, page: usize) -> Result<(), ParseError> {
        if self.breaks == Breaks::None { Ok(()) } else { self.builder.page(page) }
    }

    fn emit(&mut self, paragraph: &Paragraph) -> Result<(), ParseError> {
        if paragraph.text.trim().is_empty() {
            return Ok(());
        }
        self.turn_to(paragraph.page)?;
        self.begun = true;
        let place = self.list_place(paragraph);
        let marker = place.and_then(|place| self.numbering.next(place));
        let style = paragraph.style.as_deref().unwrap_or_default();
        let heading = paragraph.outline.or_else(|| self.styles.heading(style));
        match (heading, marker) {
            (Some(level), Some(marker)) if marker != "-" => {
                self.builder.heading(level, &format!("{marker} {}", paragraph.text))
            }
            (Some(level), _) => self.builder.heading(level, &paragraph.text),
            (None, Some(marker)) => {
                self.builder.list_item(place.map_or(0, |(_, depth)| depth), &marker, &paragraph.text)
            }
            (None, None) if self.styles.is_code(style) => self.builder.code(&paragraph.text),
            (None, None) => self.builder.paragraph(&paragraph.text),
        }
    }

    /// The paragraph's own place in a list, or else its style's. Numbering 0 means none.
    fn list_place(&self, paragraph: &Paragraph) -> Option<ListPlace> {
        let inherited = paragraph.style.as_deref().and_then(|style| self.styles.list(style));
        let (own, depth) = paragraph.list.unwrap_or_default();
        let numbering = own.or(inherited.map(|(numbering, _)| numbering)).filter(|numbering| *numbering != 0)?;
        Some((numbering, depth.or(inherited.map(|(_, depth)| depth)).unwrap_or(0)))
    }
}

impl Paragraph {
    fn properties(&mut self, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "pStyle" => self.style = tag.attribute("val"),
                    "numId" => self.list.get_or_insert_default().0 = tag.number("val"),
                    "ilvl" => self.list.get_or_insert_default().1 = level(&tag),
                    "outlineLvl" => self.outline = level(&tag).filter(|level| *level < 9).map(|level| level + 1),
                    "pageBreakBefore" => self.begins_page = tag.is_on(),
                    "sectPr" => {
                        self.ends_section = true;
                        xml.skip()?;
                    }
                    // What the paragraph was before a tracked change.
                    "pPrChange" | "rPr" => xml.skip()?,
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "pPr" => return Ok(()),
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }
}

fn level(tag: &Tag<'_>) -> Option<usize> {
    tag.number("val").and_then(|level| usize::try_from(level).ok())
}

/// Whether the properties of a run, whose start tag was just read, hide its text.
fn is_hidden(xml: &mut Xml<'_>) -> Result<bool, ParseError> {
    let mut hidden = false;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "vanish" => hidden = tag.is_on(),
                "rPrChange" => xml.skip()?,
                _ => {}
            },
            Node::Close(name) if name.as_str() == "rPr" => return Ok(hidden),
            Node::End => return Ok(hidden),
            _ => {}
        }
    }
}
