//! `xl/sharedStrings.xml`: every text of the file once.

use std::ops::Range;

use crate::xml::{Node, Xml};
use crate::{Limits, ParseError};

/// All shared texts in one buffer.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Strings {
    pub(super) fn read(bytes: Option<Vec<u8>>, limits: &Limits) -> Result<Self, ParseError> {
        let mut strings = Self::default();
        let bytes = bytes.unwrap_or_default();
        let mut xml = Xml::new(&bytes, limits);
        let mut start = 0;
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "si" => start = strings.text.len(),
                    "t" => strings.text.push_str(&xml.text(&[])?),
                    // How to pronounce the text: shown above it in Japanese files.
                    "rPh" => xml.skip()?,
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "si" => strings.ranges.push(start..strings.text.len()),
                Node::End => return Ok(strings),
                _ => {}
            }
        }
    }

    pub(super) fn get(&self, index: usize) -> &str {
        self.ranges.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }
}
