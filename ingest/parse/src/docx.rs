//! Word files: headings, lists with the numbers Word shows, tables, notes, comments, headers, pages.

use crate::archive::Archive;
use crate::builder::Builder;
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError};

mod body;
mod notes;
pub(crate) mod numbering;
mod pages;
mod running;
mod styles;
mod table;

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    let name = ["word/document.xml", "word/document2.xml"].into_iter().find(|name| archive.has(name));
    let name = name.unwrap_or("word/document.xml");
    let content = archive.require(name)?;
    let styles = styles::Styles::read(archive.read("word/styles.xml")?, limits)?;
    let numbering = numbering::Numbering::read(archive.read("word/numbering.xml")?, limits)?;
    let notes = notes::Notes::read(&mut archive, limits)?;
    let running = running::read(&mut archive, name, limits)?;
    let mut builder = Builder::new(limits);
    builder.title(&core_title(&mut archive, limits)?);
    let breaks = pages::Breaks::of(&content, limits)?;
    let mut body = body::Body::new(builder, styles, numbering, notes, breaks);
    for text in running {
        body.running(&text)?;
    }
    body.read(&mut Xml::new(&content, limits))?;
    body.finish()
}

/// The title in the file's properties; pptx and xlsx have it at the same place.
pub(crate) fn core_title(archive: &mut Archive<'_>, limits: &Limits) -> Result<String, ParseError> {
    let Some(bytes) = archive.read("docProps/core.xml")? else { return Ok(String::new()) };
    let mut xml = Xml::new(&bytes, limits);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "title" => return xml.text(&[]),
            Node::End => return Ok(String::new()),
            _ => {}
        }
    }
}

/// What a Word file without text is called.
fn absent() -> ParseError {
    ParseError::NoText
}

/// The format, for `body`.
const FORMAT: Format = Format::Docx;
