//! Presentations and drawings: a page per slide, its title as heading, its notes at the end.

use super::body::{Flow, Inline};
use super::styles::Styles;
use crate::builder::Builder;
use crate::xml::{Node, Xml};
use crate::{Document, ParseError};

/// Reads the slides of the presentation whose start tag was just read.
pub(super) fn read(xml: &mut Xml<'_>, builder: Builder<'_>, styles: &Styles) -> Result<Document, ParseError> {
    let mut flow = Flow::new(builder, styles);
    let mut pages = 0;
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "page" => {
                    pages += 1;
                    flow.builder.page(pages)?;
                    slide(&mut flow, xml)?;
                }
                "settings" | "footer-decl" | "header-decl" | "date-time-decl" => xml.skip()?,
                _ => {}
            },
            Node::Close(name) if matches!(name.as_str(), "presentation" | "drawing") => break,
            Node::End => break,
            _ => {}
        }
    }
    flow.builder.finish(super::SLIDES, Some(pages), super::absent())
}

fn slide(flow: &mut Flow<'_, '_>, xml: &mut Xml<'_>) -> Result<(), ParseError> {
    let mut depth = 1_usize;
    while depth > 0 {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "frame" | "custom-shape" | "rect" | "ellipse" | "line" | "connector" | "polygon" => {
                    match tag.attribute("class").as_deref() {
                        Some("title") => {
                            let (mut attached, mut ended) = (Vec::new(), 0);
                            let title = Inline { attached: &mut attached, ended: &mut ended }.text(xml)?;
                            flow.builder.heading(1, &title)?;
                        }
                        // Date, footer and number: the same on every slide.
                        Some("date-time" | "footer" | "header" | "page-number" | "page") => xml.skip()?,
                        _ => flow.blocks(xml)?,
                    }
                }
                "table" => flow.table(xml)?,
                _ => depth += 1,
            },
            Node::Close(_) => depth -= 1,
            Node::Text(_) => {}
            Node::End => break,
        }
    }
    Ok(())
}
