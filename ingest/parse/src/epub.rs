//! Electronic books: the chapters in the order of the spine, each a page of HTML.

use std::collections::HashMap;

use crate::archive::Archive;
use crate::builder::Builder;
use crate::relations::resolve;
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError, encoding, html};

/// The part that says where the book's list of contents is.
const CONTAINER: &str = "META-INF/container.xml";

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    refuse_locked(&mut archive)?;
    let container = archive.require(CONTAINER)?;
    let place = package_place(&container, limits)?;
    let package = Package::read(&archive.require(&place)?, limits)?;
    let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    limits.check("max_pages", package.spine.len(), limits.max_pages)?;
    let mut builder = Builder::new(limits);
    builder.title(&package.title);
    for id in &package.spine {
        let Some(href) = package.places.get(id) else { continue };
        let Some(bytes) = archive.read(&resolve(folder, &unescaped(href)))? else { continue };
        let declared = html::declared_charset(&bytes);
        let page = encoding::decode(&bytes, declared.as_deref())?;
        html::append(&mut builder, &page)?;
    }
    builder.finish(Format::Epub, None, ParseError::NoText)
}

/// Books that only some readers can open say so; fonts may be scrambled in any book.
fn refuse_locked(archive: &mut Archive<'_>) -> Result<(), ParseError> {
    let Some(bytes) = archive.read("META-INF/encryption.xml")? else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    let mut algorithms = text.split("EncryptionMethod").skip(1).filter_map(|method| method.split('>').next());
    if algorithms.any(|method| !method.contains("#RC") && !method.contains("obfuscation")) {
        return Err(ParseError::Encrypted);
    }
    Ok(())
}

fn package_place(container: &[u8], limits: &Limits) -> Result<String, ParseError> {
    let mut xml = Xml::new(container, limits);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "rootfile" => {
                return tag
                    .attribute("full-path")
                    .ok_or_else(|| ParseError::broken("the book names no list of contents"));
            }
            Node::End => return Err(ParseError::broken("the book names no list of contents")),
            _ => {}
        }
    }
}

/// What the package document says.
#[derive(Default)]
struct Package {
    title: String,
    /// Where each item is, by id.
    places: HashMap<String, String>,
    spine: Vec<String>,
}

impl Package {
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        let mut xml = Xml::new(bytes, limits);
        let mut package = Self::default();
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "title" if package.title.is_empty() => package.title = xml.text(&[])?,
                    "item" => {
                        if let (Some(id), Some(href)) = (tag.attribute("id"), tag.attribute("href")) {
                            package.places.insert(id, href);
                        }
                    }
                    "itemref" if tag.attribute("linear").is_none_or(|linear| linear != "no") => {
                        package.spine.extend(tag.attribute("idref"));
                    }
                    _ => {}
                },
                Node::End => return Ok(package),
                _ => {}
            }
        }
    }
}

/// `%20` and the like in a reference, and what stands behind `#`.
fn unescaped(href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default().as_bytes();
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_unescaped_and_lose_their_fragment() {
        assert_eq!(unescaped("a%20b%E4%B8%AD.xhtml#part"), "a b中.xhtml");
        assert_eq!(unescaped("50%"), "50%");
    }
}
