//! XML of Office files: a pull reader that counts depth and attributes and knows no entities but the five.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::{Limits, ParseError};

/// What comes next in the file. An empty element is an `Open` and a `Close`.
#[derive(Debug)]
pub(crate) enum Node<'x> {
    /// A start tag.
    Open(Tag<'x>),
    /// An end tag, without its prefix.
    Close(Name),
    /// Character data, entities resolved.
    Text(Cow<'x, str>),
    /// End of the file.
    End,
}

/// A start tag.
#[derive(Debug)]
pub(crate) struct Tag<'x>(BytesStart<'x>);

/// The local name of an element; longer ones than Office has are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; 24],
    len: u8,
}

impl Name {
    fn new(name: &[u8]) -> Self {
        let mut bytes = [0; 24];
        let len = name.len().min(24);
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), name.get(..len)) {
            to.copy_from_slice(from);
        }
        Self { bytes, len: u8::try_from(len).unwrap_or(24) }
    }

    /// The name as text, for `match`.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..usize::from(self.len)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl Tag<'_> {
    /// The name without its prefix.
    pub(crate) fn name(&self) -> Name {
        Name::new(self.0.local_name().as_ref())
    }

    /// The attribute whose name, without prefix, is `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        // Checking for duplicates is quadratic, and Office does not write any.
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).flatten().find(|a| a.key.local_name().as_ref() == name.as_bytes())?;
        let text = std::str::from_utf8(&found.value).ok()?;
        Some(quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), Cow::into_owned))
    }

    /// The attribute named `r:id` and the like, where a plain `id` stands beside it.
    pub(crate) fn relation(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let found = attributes
            .with_checks(false)
            .flatten()
            .find(|a| a.key.prefix().is_some() && a.key.local_name().as_ref() == name.as_bytes())?;
        Some(String::from_utf8_lossy(&found.value).into_owned())
    }

    /// A number in an attribute.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// A toggle such as `<w:b/>`: on unless its `val` says otherwise.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off" | "none"))
    }
}

/// Reads one part of an Office file.
pub(crate) struct Xml<'x> {
    reader: Reader<&'x [u8]>,
    limits: &'x Limits,
    depth: usize,
    /// The end of an empty element, still to be told.
    pending: Option<Name>,
}

impl<'x> Xml<'x> {
    pub(crate) fn new(bytes: &'x [u8], limits: &'x Limits) -> Self {
        let mut reader = Reader::from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        reader.config_mut().check_end_names = false;
        Self { reader, limits, depth: 0, pending: None }
    }

    /// The next node.
    ///
    /// # Errors
    /// `Broken` for what is not XML or declares a document type, `TooLarge` for depth and attributes.
    pub(crate) fn next(&mut self) -> Result<Node<'x>, ParseError> {
        if let Some(name) = self.pending.take() {
            return Ok(Node::Close(name));
        }
        loop {
            match self.reader.read_event().map_err(ParseError::broken)? {
                Event::Start(start) => return self.open(start),
                Event::Empty(start) => {
                    self.check_attributes(&start)?;
                    self.pending = Some(Name::new(start.local_name().as_ref()));
                    return Ok(Node::Open(Tag(start)));
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::Close(Name::new(end.local_name().as_ref())));
                }
                Event::Text(text) => return Ok(Node::Text(text.decode().map_err(ParseError::broken)?)),
                Event::CData(text) => return Ok(Node::Text(text.decode().map_err(ParseError::broken)?)),
                Event::GeneralRef(entity) => return resolve(&entity).map(|c| Node::Text(Cow::Owned(c.to_string()))),
                // A document type can declare entities that expand without end; Office writes none.
                Event::DocType(_) => return Err(ParseError::broken("it declares a document type")),
                Event::Eof => return Ok(Node::End),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// All character data up to the end of the element just opened; inner elements named in `skip` are left out.
    pub(crate) fn text(&mut self, skip: &[&str]) -> Result<String, ParseError> {
        let mut text = String::new();
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Node::Open(tag) if skip.contains(&tag.name().as_str()) => self.skip()?,
                Node::Open(_) => depth += 1,
                Node::Close(_) => depth -= 1,
                Node::Text(more) => text.push_str(&more),
                Node::End => break,
            }
        }
        Ok(text)
    }

    /// Passes over the rest of the element just opened.
    pub(crate) fn skip(&mut self) -> Result<(), ParseError> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Node::Open(_) => depth += 1,
                Node::Close(_) => depth -= 1,
                Node::Text(_) => {}
                Node::End => break,
            }
        }
        Ok(())
    }

    fn open(&mut self, start: BytesStart<'x>) -> Result<Node<'x>, ParseError> {
        self.depth += 1;
        self.limits.check("max_xml_depth", self.depth, self.limits.max_xml_depth)?;
        self.check_attributes(&start)?;
        Ok(Node::Open(Tag(start)))
    }

    /// Every attribute has a `=`, so counting those bounds them without parsing.
    fn check_attributes(&self, start: &BytesStart<'_>) -> Result<(), ParseError> {
        let raw = start.attributes_raw();
        if (raw.len() as u64) < self.limits.max_xml_attributes {
            return Ok(());
        }
        let count = raw.iter().filter(|byte| **byte == b'=').count();
        self.limits.check("max_xml_attributes", count, self.limits.max_xml_attributes)
    }
}

/// One of the five entities of XML, or a character by number.
fn resolve(entity: &BytesRef<'_>) -> Result<char, ParseError> {
    if let Some(c) = entity.resolve_char_ref().map_err(ParseError::broken)? {
        return Ok(c);
    }
    match &*entity.decode().map_err(ParseError::broken)? {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(ParseError::broken("it uses an entity of its own")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_text(xml: &str, limits: &Limits) -> Result<String, ParseError> {
        let mut xml = Xml::new(xml.as_bytes(), limits);
        let mut text = String::new();
        loop {
            match xml.next()? {
                Node::Text(more) => text.push_str(&more),
                Node::End => return Ok(text),
                Node::Open(_) | Node::Close(_) => {}
            }
        }
    }

    #[test]
    fn entities_are_resolved_and_new_ones_refused() {
        let limits = Limits::default();
        assert_eq!(all_text("<a>1 &lt; 2 &#x4e2d;<b/></a>", &limits).unwrap(), "1 < 2 中");
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\">]><a>&x;</a>";
        assert_eq!(all_text(bomb, &limits).unwrap_err().code(), "broken_file");
        assert_eq!(all_text("<a>&x;</a>", &limits).unwrap_err().code(), "broken_file");
    }

    #[test]
    fn depth_and_attributes_are_counted() {
        let limits = Limits { max_xml_depth: 3, max_xml_attributes: 4, ..Limits::default() };
        assert_eq!(all_text("<a><a><a><a/></a></a></a>", &limits).unwrap(), "");
        assert_eq!(all_text(&"<a>".repeat(4), &limits).unwrap_err().code(), "too_large");
        let wide = "<a p='1' q='1' r='1' s='1' t='1'/>";
        assert_eq!(all_text(wide, &limits).unwrap_err().code(), "too_large");
    }
}
