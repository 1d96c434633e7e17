//! Footnotes, endnotes and comments, shown after the paragraph that refers to them.

use std::collections::HashMap;

use super::numbering::spell;
use crate::archive::Archive;
use crate::xml::{Node, Xml};
use crate::{Limits, ParseError};

/// The text of each note of one part, by id.
fn read(bytes: Option<Vec<u8>>, element: &str, limits: &Limits) -> Result<HashMap<String, String>, ParseError> {
    let mut notes = HashMap::new();
    let bytes = bytes.unwrap_or_default();
    let mut xml = Xml::new(&bytes, limits);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == element => {
                let id = tag.attribute("id").unwrap_or_default();
                let text = note_text(&mut xml, element)?;
                notes.insert(id, text);
            }
            Node::End => return Ok(notes),
            _ => {}
        }
    }
}

/// The text of a part that is one note from end to end.
pub(super) fn part_text(bytes: &[u8], limits: &Limits) -> Result<String, ParseError> {
    note_text(&mut Xml::new(bytes, limits), "")
}

fn note_text(xml: &mut Xml<'_>, element: &str) -> Result<String, ParseError> {
    let mut text = String::new();
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "t" => text.push_str(&xml.text(&[])?),
                "tab" | "br" => text.push(' '),
                "Fallback" | "delText" | "instrText" => xml.skip()?,
                _ => {}
            },
            Node::Close(name) if name.as_str() == "p" => text.push('\n'),
            Node::Close(name) if name.as_str() == element => return Ok(text),
            Node::End => return Ok(text),
            _ => {}
        }
    }
}

/// Gives notes their numbers in the order of reference.
pub(super) struct Notes {
    footnotes: HashMap<String, String>,
    endnotes: HashMap<String, String>,
    comments: HashMap<String, String>,
    footnotes_seen: usize,
    endnotes_seen: usize,
    /// Notes referred to whose text is still to be shown.
    pending: Vec<String>,
}

impl Notes {
    /// Reads the parts that notes stand in.
    pub(super) fn read(archive: &mut Archive<'_>, limits: &Limits) -> Result<Self, ParseError> {
        let mut part = |element: &str| read(archive.read(&format!("word/{element}s.xml"))?, element, limits);
        Ok(Self {
            footnotes: part("footnote")?,
            endnotes: part("endnote")?,
            comments: part("comment")?,
            footnotes_seen: 0,
            endnotes_seen: 0,
            pending: Vec::new(),
        })
    }

    /// A comment is shown like a note, but where it is anchored nothing is written.
    pub(super) fn comment(&mut self, id: &str) {
        if let Some(text) = self.comments.get(id) {
            self.pending.push(format!("[comment] {}", text.trim()));
        }
    }

    /// The mark of a reference, such as `[2]`; empty when there is no such note.
    pub(super) fn refer(&mut self, element: &str, id: &str) -> String {
        let (notes, seen, format) = match element {
            "footnoteReference" => (&self.footnotes, &mut self.footnotes_seen, "decimal"),
            _ => (&self.endnotes, &mut self.endnotes_seen, "lowerRoman"),
        };
        let Some(text) = notes.get(id) else { return String::new() };
        *seen += 1;
        let mark = format!("[{}]", spell(*seen, format));
        self.pending.push(format!("{mark} {}", text.trim()));
        mark
    }

    /// The notes referred to since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.pending)
    }
}
