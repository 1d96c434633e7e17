//! What styles say of the text: where pages begin, how lists are numbered, which sheets are hidden.

use std::collections::{HashMap, HashSet};

use crate::xml::{Node, Tag, Xml};
use crate::{Limits, ParseError};

/// One level of a list.
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// How its numbers are written, in the words of Word; `None` for bullets.
    pub(super) format: Option<String>,
    pub(super) prefix: String,
    pub(super) suffix: String,
    pub(super) start: usize,
    /// How many levels its number shows, such as 2 for `1.2`.
    pub(super) shown: usize,
}

/// The styles of a file.
#[derive(Default)]
pub(super) struct Styles {
    /// Styles whose paragraphs and tables begin a page.
    breaking: HashSet<String>,
    /// Styles of sheets that are not shown.
    hidden: HashSet<String>,
    parents: HashMap<String, String>,
    lists: HashMap<String, Vec<Level>>,
}

impl Styles {
    /// Adds the styles of one part.
    pub(super) fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), ParseError> {
        let mut xml = Xml::new(bytes, limits);
        let (mut style, mut list) = (String::new(), String::new());
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "body" | "master-styles" => return Ok(()),
                    "style" => style = self.style(&tag),
                    "list-style" => list = tag.attribute("name").unwrap_or_default(),
                    "paragraph-properties" | "table-properties" => self.properties(&style, &tag),
                    "list-level-style-number" | "list-level-style-bullet" | "list-level-style-imag" => {
                        self.lists.entry(list.clone()).or_default().push(level(&tag));
                    }
                    _ => {}
                },
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    fn style(&mut self, tag: &Tag<'_>) -> String {
        let name = tag.attribute("name").unwrap_or_default();
        if let Some(parent) = tag.attribute("parent-style-name") {
            self.parents.insert(name.clone(), parent);
        }
        // Another master page begins with a new page.
        if tag.attribute("master-page-name").is_some_and(|master| !master.is_empty()) {
            self.breaking.insert(name.clone());
        }
        name
    }

    fn properties(&mut self, style: &str, tag: &Tag<'_>) {
        if tag.attribute("break-before").is_some_and(|value| value == "page") {
            self.breaking.insert(style.to_owned());
        }
        if tag.attribute("display").is_some_and(|value| value == "false") {
            self.hidden.insert(style.to_owned());
        }
    }

    pub(super) fn hides(&self, style: &str) -> bool {
        self.hidden.contains(style)
    }

    pub(super) fn breaks_page(&self, style: &str) -> bool {
        self.breaking.contains(style)
    }

    pub(super) fn level(&self, list: &str, depth: usize) -> Option<&Level> {
        self.lists.get(list)?.get(depth)
    }

    /// Whether a paragraph is of the style of this name, itself or by descent.
    pub(super) fn descends(&self, style: &str, from: &str) -> bool {
        let mut style = style;
        for _ in 0..8 {
            if style == from {
                return true;
            }
            let Some(parent) = self.parents.get(style) else { return false };
            style = parent;
        }
        false
    }

    /// Breaks between pages, typed or noted by the program that showed the text last.
    pub(super) fn page_breaks(&self, content: &[u8], limits: &Limits) -> Result<usize, ParseError> {
        let mut xml = Xml::new(content, limits);
        let (mut breaks, mut begun) = (0, false);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "soft-page-break" => breaks += 1,
                    "p" | "h" | "table" => {
                        let style = tag.attribute("style-name").unwrap_or_default();
                        breaks += usize::from(begun && self.breaks_page(&style));
                        begun = true;
                    }
                    _ => {}
                },
                Node::End => return Ok(breaks),
                _ => {}
            }
        }
    }
}

fn level(tag: &Tag<'_>) -> Level {
    let number = |name: &str| tag.number(name).and_then(|number| usize::try_from(number).ok());
    let format = (tag.name().as_str() == "list-level-style-number").then(|| {
        let spelled = tag.attribute("num-format").unwrap_or_default();
        match spelled.as_str() {
            "A" => "upperLetter",
            "a" => "lowerLetter",
            "I" => "upperRoman",
            "i" => "lowerRoman",
            other if other.starts_with('一') || other.starts_with('壹') => "chineseCounting",
            other if other.starts_with('①') => "decimalEnclosedCircle",
            "" => "none",
            _ => "decimal",
        }
        .to_owned()
    });
    Level {
        format,
        prefix: tag.attribute("num-prefix").unwrap_or_default(),
        suffix: tag.attribute("num-suffix").unwrap_or_default(),
        start: number("start-value").unwrap_or(1),
        shown: number("display-levels").unwrap_or(1).clamp(1, 10),
    }
}
