//! OpenDocument texts, spreadsheets and presentations: one language, three ways to fill a page.

use crate::archive::Archive;
use crate::builder::Builder;
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError};

mod body;
mod lists;
mod slides;
mod styles;
mod table;

/// What the media type of every OpenDocument file begins with.
const MEDIA_TYPE: &[u8] = b"application/vnd.oasis.opendocument.";

/// Whether the container says, or its members show, that it is an OpenDocument file.
pub(crate) fn is_one(archive: &mut Archive<'_>) -> Result<bool, ParseError> {
    if let Some(media_type) = archive.read("mimetype")? {
        return Ok(media_type.starts_with(MEDIA_TYPE));
    }
    Ok(archive.has("content.xml") && archive.has("META-INF/manifest.xml"))
}

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    // Searched as bytes: old manifests declare a document type.
    let manifest = archive.read("META-INF/manifest.xml")?.unwrap_or_default();
    if manifest.windows(16).any(|window| window == b":encryption-data") {
        return Err(ParseError::Encrypted);
    }
    let content = archive.require("content.xml")?;
    let mut styles = styles::Styles::default();
    styles.read(&archive.read("styles.xml")?.unwrap_or_default(), limits)?;
    styles.read(&content, limits)?;
    let about = About::read(&archive.read("meta.xml")?.unwrap_or_default(), limits)?;
    let mut builder = Builder::new(limits);
    builder.title(&about.title);
    let mut xml = Xml::new(&content, limits);
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "text" => {
                    let breaks = styles.page_breaks(&content, limits)?;
                    let pages = about.pages.filter(|pages| *pages == breaks + 1);
                    return body::read(&mut xml, builder, &styles, pages);
                }
                "spreadsheet" => return table::read_sheets(&mut xml, builder, &styles),
                "presentation" | "drawing" => return slides::read(&mut xml, builder, &styles),
                "automatic-styles" | "scripts" | "font-face-decls" => xml.skip()?,
                _ => {}
            },
            Node::End => return Err(ParseError::Unsupported("an OpenDocument file without text".to_owned())),
            _ => {}
        }
    }
}

/// What `meta.xml` says of the file.
#[derive(Default)]
struct About {
    title: String,
    /// How many pages it had when it was last shown.
    pages: Option<usize>,
}

impl About {
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let mut xml = Xml::new(bytes, limits);
        let mut about = Self::default();
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "title" => about.title = xml.text(&[])?,
                    "document-statistic" => {
                        about.pages = tag.number("page-count").and_then(|pages| usize::try_from(pages).ok());
                    }
                    _ => {}
                },
                Node::End => return Ok(about),
                _ => {}
            }
        }
    }
}

/// What an OpenDocument file without text is called.
fn absent() -> ParseError {
    ParseError::NoText
}

/// The formats, for the modules below.
const TEXT: Format = Format::Odt;
const SHEETS: Format = Format::Ods;
const SLIDES: Format = Format::Odp;
