//! PowerPoint files: a page per slide, its title as heading, its notes at the end.

use crate::archive::Archive;
use crate::builder::Builder;
use crate::relations::{self, Relation};
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError};

mod slide;

/// The part that lists the slides.
const PRESENTATION: &str = "ppt/presentation.xml";

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    let content = archive.require(PRESENTATION)?;
    let parts = relations::read(&mut archive, PRESENTATION, limits)?;
    let mut builder = Builder::new(limits);
    builder.title(&crate::docx::core_title(&mut archive, limits)?);
    let mut pages = 0;
    for id in slide_ids(&content, limits)? {
        let Some(part) = parts.iter().find(|part| part.id == id) else { continue };
        pages += 1;
        builder.page(pages)?;
        read_slide(&mut archive, &mut builder, &part.target)?;
    }
    builder.finish(Format::Pptx, Some(pages), ParseError::NoText)
}

/// Relationship ids of the slides, in the order they are shown.
fn slide_ids(content: &[u8], limits: &Limits) -> Result<Vec<String>, ParseError> {
    let mut xml = Xml::new(content, limits);
    let mut ids = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "sldId" => ids.extend(tag.relation("id")),
            Node::End => return Ok(ids),
            _ => {}
        }
    }
}

fn read_slide(archive: &mut Archive<'_>, builder: &mut Builder<'_>, part: &str) -> Result<(), ParseError> {
    let limits = builder.limits();
    let Some(content) = archive.read(part)? else { return Ok(()) };
    let shapes = slide::read(&content, limits)?;
    slide::show(builder, &shapes, slide::Show::Slide)?;
    let related = relations::read(archive, part, limits)?;
    let of_kind = |kind: &'static str| related.iter().filter(move |relation: &&Relation| relation.kind == kind);
    for diagram in of_kind("diagramData") {
        let content = archive.read(&diagram.target)?.unwrap_or_default();
        slide::show(builder, &slide::read_diagram(&content, limits)?, slide::Show::Slide)?;
    }
    for notes in of_kind("notesSlide") {
        let content = archive.read(&notes.target)?.unwrap_or_default();
        slide::show(builder, &slide::read(&content, limits)?, slide::Show::Notes)?;
    }
    Ok(())
}
