//! One page: where each of its characters stands.

use std::rc::Rc;

use hayro_font::kurbo::{Affine, Point, Vec2};

use super::POINTS;
use crate::pdf::Glyph;
use crate::reflow::is_wide;
use crate::xml::{Node, Tag, Xml};
use crate::{Limits, ParseError};

/// Weights from here on are bold (GB/T 33190, 11.3: 400 is usual, 700 bold).
const BOLD: i64 = 600;

/// The ids of the templates that a page is drawn on.
pub(super) fn templates(page: &[u8], limits: &Limits) -> Result<Vec<String>, ParseError> {
    let mut xml = Xml::new(page, limits);
    let mut ids = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "Template" => ids.extend(tag.attribute("TemplateID")),
            Node::Open(tag) if tag.name().as_str() == "Content" => return Ok(ids),
            Node::End => return Ok(ids),
            _ => {}
        }
    }
}

/// Width and height of a box of four numbers, in points.
pub(super) fn size(text: &str) -> Option<(f64, f64)> {
    let [_, _, width, height] = *numbers(text).as_slice() else { return None };
    (width > 0.0 && height > 0.0).then_some((width * POINTS, height * POINTS))
}

/// Collects the characters of a page and its templates.
pub(super) struct Reader<'l> {
    limits: &'l Limits,
    pub(super) size: (f64, f64),
    pub(super) glyphs: Vec<Glyph>,
}

/// A text object: its place on the page and how it is written.
struct Object {
    place: Affine,
    size: f64,
    bold: bool,
}

impl<'l> Reader<'l> {
    pub(super) fn new(limits: &'l Limits, size: (f64, f64)) -> Self {
        Self { limits, size, glyphs: Vec::new() }
    }

    pub(super) fn read(&mut self, page: &[u8]) -> Result<(), ParseError> {
        let mut xml = Xml::new(page, self.limits);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "TextObject" if tag.attribute("Visible").is_some_and(|value| value == "false") => xml.skip()?,
                    "TextObject" => self.object(&tag, &mut xml)?,
                    "PhysicalBox" => self.size = size(&xml.text(&[])?).unwrap_or(self.size),
                    _ => {}
                },
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    fn object(&mut self, tag: &Tag<'_>, xml: &mut Xml<'_>) -> Result<(), ParseError> {
        let edges = numbers(&tag.attribute("Boundary").unwrap_or_default());
        let corner = Vec2::new(edges.first().copied().unwrap_or(0.0), edges.get(1).copied().unwrap_or(0.0));
        let matrix = match *numbers(&tag.attribute("CTM").unwrap_or_default()).as_slice() {
            [a, b, c, d, e, f] => Affine::new([a, b, c, d, e, f]),
            _ => Affine::IDENTITY,
        };
        let size = tag.attribute("Size").and_then(|size| size.trim().parse::<f64>().ok()).unwrap_or(4.0);
        let stretch = matrix.determinant().abs().sqrt();
        let object = Object {
            place: Affine::scale(POINTS) * Affine::translate(corner) * matrix,
            size: (size * stretch * POINTS).clamp(0.1, 1000.0),
            bold: tag.number("Weight").is_some_and(|weight| weight >= BOLD),
        };
        let advance = size;
        let mut depth = 1_usize;
        let mut last = (0.0, 0.0);
        while depth > 0 {
            match xml.next()? {
                Node::Open(tag) if tag.name().as_str() == "TextCode" => {
                    let at = |name: &str, before: f64| {
                        tag.attribute(name).and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(before)
                    };
                    last = (at("X", last.0), at("Y", last.1));
                    let text = xml.text(&[])?;
                    let steps = |name: &str| steps(&tag.attribute(name).unwrap_or_default(), text.len());
                    let (across, down) = (steps("DeltaX"), steps("DeltaY"));
                    self.text(&object, &text, last, advance, &across, &down)?;
                }
                Node::Open(_) => depth += 1,
                Node::Close(_) => depth -= 1,
                Node::Text(_) => {}
                Node::End => break,
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        object: &Object,
        text: &str,
        start: (f64, f64),
        size: f64,
        across: &[f64],
        down: &[f64],
    ) -> Result<(), ParseError> {
        let (mut x, mut y) = start;
        for (index, c) in text.trim_matches(['\r', '\n']).chars().enumerate() {
            let own = if is_wide(c) { size } else { size * 0.5 };
            let vertical = !down.is_empty() && across.is_empty();
            let (right, below) = match index {
                _ if vertical => (0.0, down.get(index).copied().unwrap_or(size)),
                index => (across.get(index).copied().unwrap_or(own), down.get(index).copied().unwrap_or(0.0)),
            };
            let origin = object.place * Point::new(x, y);
            // No letter is much wider than the type is high: what is farther away stands behind a gap. Vertical text is read
            // as its characters stand.
            let drawn = match right {
                _ if vertical => (size, 0.0),
                right if right > 0.0 && right <= size * 1.1 => (right, below),
                _ => (own, below),
            };
            let end = object.place * Point::new(x + drawn.0, y + drawn.1);
            if origin.is_finite() && end.is_finite() {
                let text: Rc<str> = Rc::from(c.encode_utf8(&mut [0; 4]) as &str);
                self.glyphs.push(Glyph {
                    text,
                    origin,
                    advance: end - origin,
                    size: object.size,
                    bold: object.bold,
                    mono: false,
                });
            }
            self.limits.check("max_page_glyphs", self.glyphs.len(), self.limits.max_page_glyphs)?;
            (x, y) = (x + right, y + below);
        }
        Ok(())
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_ascii_whitespace()
        .filter_map(|number| number.parse().ok())
        .filter(|number: &f64| number.is_finite())
        .collect()
}

/// At most so many distances from character to character; `g 3 5` stands for `5 5 5`.
fn steps(text: &str, most: usize) -> Vec<f64> {
    let mut found = Vec::new();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let (count, step) = match word {
            "g" => (words.next().and_then(|count| count.parse().ok()).unwrap_or(0), words.next().unwrap_or_default()),
            word => (1, word),
        };
        let step = step.parse().ok().filter(|step: &f64| step.is_finite()).unwrap_or(0.0);
        let room = most.saturating_sub(found.len());
        found.extend(std::iter::repeat_n(step, room.min(count)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_repeated() {
        assert_eq!(steps("1.5 g 3 2 4", 9), [1.5, 2.0, 2.0, 2.0, 4.0]);
        assert_eq!(steps("g 99999999999 1", 9).len(), 9);
    }
}
