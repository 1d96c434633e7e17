//! One slide: its shapes with their paragraphs and tables.

use crate::builder::Builder;
use crate::xml::{Node, Tag, Xml};
use crate::{BlockKind, Limits, ParseError};

/// What a shape is on its slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    /// A text box or a drawing.
    #[default]
    Free,
    /// The slide's title.
    Title,
    /// The slide's content, whose paragraphs have bullets by default.
    Content,
    /// Date, footer and number: the same on every slide.
    Furniture,
}

/// A shape with text.
#[derive(Debug, Default)]
pub(super) struct Shape {
    role: Role,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Paragraph { text: String, depth: usize, bullet: Option<bool> },
    Row { cells: Vec<String>, header: bool },
}

/// Which part is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Everything but dates, footers and numbers.
    Slide,
    /// The speaker's notes alone: a notes page repeats the slide's picture and number.
    Notes,
}

/// The shapes of a slide or notes page.
pub(super) fn read(content: &[u8], limits: &Limits) -> Result<Vec<Shape>, ParseError> {
    let mut xml = Xml::new(content, limits);
    let mut shapes: Vec<Shape> = Vec::new();
    let mut current = Shape::default();
    let mut first_row = false;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "sp" | "graphicFrame" | "cxnSp" => shapes.push(std::mem::take(&mut current)),
                "ph" => current.role = role(&tag),
                "p" => current.lines.push(paragraph(&mut xml)?),
                "tblPr" => first_row = tag.attribute("firstRow").is_some_and(|value| value == "1" || value == "true"),
                "tr" => {
                    let cells = row(&mut xml)?;
                    current.lines.push(Line::Row { cells, header: std::mem::take(&mut first_row) });
                }
                "Fallback" => xml.skip()?,
                _ => {}
            },
            Node::End => {
                shapes.push(current);
                return Ok(shapes);
            }
            _ => {}
        }
    }
}

/// The texts of a SmartArt diagram.
pub(super) fn read_diagram(content: &[u8], limits: &Limits) -> Result<Vec<Shape>, ParseError> {
    let mut xml = Xml::new(content, limits);
    let mut shape = Shape { role: Role::Content, lines: Vec::new() };
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "p" => shape.lines.push(paragraph(&mut xml)?),
            Node::End => return Ok(vec![shape]),
            _ => {}
        }
    }
}

fn role(tag: &Tag<'_>) -> Role {
    match tag.attribute("type").as_deref() {
        Some("title" | "ctrTitle") => Role::Title,
        Some("dt" | "ftr" | "sldNum" | "hdr" | "sldImg") => Role::Furniture,
        None | Some("body" | "obj") => Role::Content,
        Some(_) => Role::Free,
    }
}

fn paragraph(xml: &mut Xml<'_>) -> Result<Line, ParseError> {
    let (mut text, mut depth, mut bullet) = (String::new(), 0, None);
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "t" => text.push_str(&xml.text(&[])?),
                "br" => text.push('\n'),
                "pPr" => depth = tag.number("lvl").and_then(|level| usize::try_from(level).ok()).unwrap_or(0),
                "buNone" => bullet = Some(false),
                "buChar" | "buAutoNum" => bullet = Some(true),
                _ => {}
            },
            Node::Close(name) if name.as_str() == "p" => return Ok(Line::Paragraph { text, depth, bullet }),
            Node::End => return Ok(Line::Paragraph { text, depth, bullet }),
            _ => {}
        }
    }
}

fn row(xml: &mut Xml<'_>) -> Result<Vec<String>, ParseError> {
    let mut cells = Vec::new();
    let mut text = String::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "p" => {
                if let Line::Paragraph { text: more, .. } = paragraph(xml)? {
                    text.push_str(&more);
                    text.push('\n');
                }
            }
            Node::Close(name) if name.as_str() == "tc" => cells.push(std::mem::take(&mut text)),
            Node::Close(name) if name.as_str() == "tr" => return Ok(cells),
            Node::End => return Ok(cells),
            _ => {}
        }
    }
}

/// Adds shapes to the document, the title first.
pub(super) fn show(builder: &mut Builder<'_>, shapes: &[Shape], what: Show) -> Result<(), ParseError> {
    let titles = shapes.iter().filter(|shape| shape.role == Role::Title && what == Show::Slide);
    for shape in titles {
        builder.heading(1, &shape.joined())?;
    }
    let wanted = |shape: &&Shape| match what {
        Show::Slide => matches!(shape.role, Role::Free | Role::Content),
        Show::Notes => shape.role == Role::Content,
    };
    for shape in shapes.iter().filter(wanted) {
        shape.show(builder, what)?;
    }
    Ok(())
}

impl Shape {
    fn joined(&self) -> String {
        let texts = self.lines.iter().filter_map(|line| match line {
            Line::Paragraph { text, .. } => Some(text.as_str()),
            Line::Row { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    fn show(&self, builder: &mut Builder<'_>, what: Show) -> Result<(), ParseError> {
        let bulleted = self.role == Role::Content && what == Show::Slide && self.lines.len() > 1;
        for line in &self.lines {
            match line {
                Line::Paragraph { text, depth, bullet } if bullet.unwrap_or(bulleted || *depth > 0) => {
                    builder.list_item(*depth, "-", text)?;
                }
                Line::Paragraph { text, .. } => builder.paragraph(text)?,
                Line::Row { cells, header: true } => builder.row(BlockKind::TableHeader, cells)?,
                Line::Row { cells, header: false } => builder.row(BlockKind::TableRow, cells)?,
            }
        }
        Ok(())
    }
}
