//! `word/styles.xml`: which styles are headings, and which carry a numbering.

use std::collections::HashMap;

use crate::xml::{Node, Tag, Xml};
use crate::{Limits, ParseError};

/// A paragraph's place in a list: the numbering and its level, from 0.
pub(super) type ListPlace = (i64, usize);

/// What a paragraph style says.
#[derive(Debug, Default, Clone)]
pub(super) struct Style {
    name: String,
    parent: Option<String>,
    outline: Option<usize>,
    numbering: Option<i64>,
    level: Option<usize>,
}

/// All styles, by id.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

/// Styles inherit from styles; Word's own chains have four links.
const LONGEST_CHAIN: usize = 16;

impl Styles {
    pub(super) fn read(bytes: Option<Vec<u8>>, limits: &Limits) -> Result<Self, ParseError> {
        let mut styles = HashMap::new();
        let bytes = bytes.unwrap_or_default();
        let mut xml = Xml::new(&bytes, limits);
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name().as_str() == "style" => {
                    let id = tag.attribute("styleId").unwrap_or_default();
                    styles.insert(id, Style::read(&mut xml)?);
                }
                Node::End => return Ok(Self(styles)),
                _ => {}
            }
        }
    }

    /// Heading level of a style, from 1.
    pub(super) fn heading(&self, id: &str) -> Option<usize> {
        self.chain(id).find_map(|style| style.heading())
    }

    /// Whether a style is for program text.
    pub(super) fn is_code(&self, id: &str) -> bool {
        self.chain(id).any(|style| {
            let name = style.name.to_ascii_lowercase();
            name.contains("code") || name.contains("preformatted") || name.contains("source text")
        })
    }

    /// The list that a style puts its paragraphs into.
    pub(super) fn list(&self, id: &str) -> Option<ListPlace> {
        let numbering = self.chain(id).find_map(|style| style.numbering)?;
        let level = self.chain(id).find_map(|style| style.level).unwrap_or(0);
        Some((numbering, level))
    }

    fn chain<'s>(&'s self, id: &str) -> impl Iterator<Item = &'s Style> {
        let first = self.0.get(id);
        std::iter::successors(first, |style| self.0.get(style.parent.as_deref()?)).take(LONGEST_CHAIN)
    }
}

impl Style {
    fn read(xml: &mut Xml<'_>) -> Result<Self, ParseError> {
        let mut style = Self::default();
        loop {
            match xml.next()? {
                Node::Open(tag) => style.take(&tag),
                Node::Close(name) if name.as_str() == "style" => return Ok(style),
                Node::End => return Ok(style),
                _ => {}
            }
        }
    }

    fn take(&mut self, tag: &Tag<'_>) {
        let level = || tag.number("val").and_then(|level| usize::try_from(level).ok());
        match tag.name().as_str() {
            "name" => self.name = tag.attribute("val").unwrap_or_default(),
            "basedOn" => self.parent = tag.attribute("val"),
            "outlineLvl" => self.outline = level(),
            "numId" => self.numbering = tag.number("val"),
            "ilvl" => self.level = level(),
            _ => {}
        }
    }

    /// Word names its heading styles in English in every language; the outline level is the fallback.
    fn heading(&self) -> Option<usize> {
        let name = self.name.to_ascii_lowercase();
        if let Some(level) = name.strip_prefix("heading ").and_then(|level| level.trim().parse().ok()) {
            return Some(level);
        }
        match name.as_str() {
            "title" => Some(1),
            "subtitle" => Some(2),
            _ => self.outline.filter(|level| *level < 9).map(|level| level + 1),
        }
    }
}
