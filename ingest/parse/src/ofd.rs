//! OFD, the fixed layout of GB/T 33190: text with its places on the page, laid out as that of a PDF.

use std::collections::HashMap;
use std::rc::Rc;

use crate::archive::Archive;
use crate::builder::Builder;
use crate::pdf::Layout;
use crate::relations::resolve;
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError};

mod page;

/// The part that names the documents.
const ROOT: &str = "OFD.xml";

/// Points in a millimetre, the unit of OFD.
const POINTS: f64 = 72.0 / 25.4;

/// Width and height of A4 in points, for documents that do not say.
const A4: (f64, f64) = (210.0 * POINTS, 297.0 * POINTS);

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    if archive.has("Encryptions.xml") {
        return Err(ParseError::Encrypted);
    }
    let root = archive.require(ROOT)?;
    let mut builder = Builder::new(limits);
    let mut layout = Layout::new(limits);
    let mut pages = 0;
    for part in documents(&root, &mut builder, limits)? {
        let content = archive.require(&part)?;
        let outline = Outline::read(&content, &part, limits)?;
        pages += outline.pages.len();
        limits.check("max_pages", pages, limits.max_pages)?;
        let mut templates: HashMap<String, Rc<Vec<u8>>> = HashMap::new();
        for place in &outline.pages {
            let page = archive.require(place)?;
            let mut reader = page::Reader::new(limits, outline.size);
            for id in page::templates(&page, limits)? {
                let bytes = match (templates.get(&id), outline.templates.get(&id)) {
                    (Some(known), _) => known.clone(),
                    (None, Some(place)) => Rc::new(archive.read(place)?.unwrap_or_default()),
                    (None, None) => continue,
                };
                reader.read(&bytes)?;
                templates.insert(id, bytes);
            }
            reader.read(&page)?;
            layout.page(&reader.glyphs, reader.size.0, reader.size.1)?;
        }
    }
    layout.write(&mut builder)?;
    builder.finish(Format::Ofd, Some(pages), ParseError::NoText)
}

/// The parts that are documents; the first title is that of the file.
fn documents(root: &[u8], builder: &mut Builder<'_>, limits: &Limits) -> Result<Vec<String>, ParseError> {
    let mut xml = Xml::new(root, limits);
    let mut parts = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "DocRoot" => parts.push(resolve("", xml.text(&[])?.trim())),
                "Title" => builder.title(&xml.text(&[])?),
                _ => {}
            },
            Node::End if parts.is_empty() => return Err(ParseError::broken("it names no document")),
            Node::End => return Ok(parts),
            _ => {}
        }
    }
}

/// The pages of one document.
struct Outline {
    pages: Vec<String>,
    templates: HashMap<String, String>,
    /// Width and height of pages that have none of their own, in points.
    size: (f64, f64),
}

impl Outline {
    fn read(content: &[u8], part: &str, limits: &Limits) -> Result<Self, ParseError> {
        let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut outline = Self { pages: Vec::new(), templates: HashMap::new(), size: A4 };
        let mut xml = Xml::new(content, limits);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "Page" => outline.pages.extend(tag.attribute("BaseLoc").map(|place| resolve(folder, &place))),
                    "TemplatePage" => {
                        if let (Some(id), Some(place)) = (tag.attribute("ID"), tag.attribute("BaseLoc")) {
                            outline.templates.insert(id, resolve(folder, &place));
                        }
                    }
                    "PhysicalBox" => outline.size = page::size(&xml.text(&[])?).unwrap_or(outline.size),
                    _ => {}
                },
                Node::End => return Ok(outline),
                _ => {}
            }
        }
    }
}
