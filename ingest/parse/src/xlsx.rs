//! Excel files: a page and a heading per visible sheet, its cells as Excel shows them.
//!
//! Read here rather than by a spreadsheet library: those give the stored number (0.153, 46082) where a person
//! sees 15.3% or a date, and open the archive themselves, past the limits.

use crate::archive::Archive;
use crate::builder::Builder;
use crate::relations;
use crate::xml::{Node, Xml};
use crate::{Document, Format, Limits, ParseError};

mod date;
mod number;
mod sheet;
mod strings;
pub(crate) mod styles;

/// The part that lists the sheets.
const WORKBOOK: &str = "xl/workbook.xml";

/// What cells need to be shown.
struct Book {
    strings: strings::Strings,
    styles: styles::Styles,
    /// Days are counted from 1904, as on old Macs.
    from_1904: bool,
}

struct SheetName {
    name: String,
    relation: String,
    visible: bool,
}

/// Reads an opened container.
pub(crate) fn parse(mut archive: Archive<'_>, limits: &Limits) -> Result<Document, ParseError> {
    let content = archive.require(WORKBOOK)?;
    let (sheets, from_1904) = read_workbook(&content, limits)?;
    let parts = relations::read(&mut archive, WORKBOOK, limits)?;
    let target = |kind: &str| parts.iter().find(|part| part.kind == kind).map(|part| part.target.as_str());
    let strings = archive.read(target("sharedStrings").unwrap_or("xl/sharedStrings.xml"))?;
    let styles = archive.read(target("styles").unwrap_or("xl/styles.xml"))?;
    let strings = strings::Strings::read(strings, limits)?;
    let styles = styles::Styles::read(styles, limits)?;
    let book = Book { strings, styles, from_1904 };
    let mut builder = Builder::new(limits);
    builder.title(&crate::docx::core_title(&mut archive, limits)?);
    let mut filled = false;
    for (index, sheet) in sheets.iter().enumerate().filter(|(_, sheet)| sheet.visible) {
        let Some(part) = parts.iter().find(|part| part.id == sheet.relation && part.kind == "worksheet") else {
            continue;
        };
        let Some(content) = archive.read(&part.target)? else { continue };
        builder.page(index + 1)?;
        builder.heading(1, &sheet.name)?;
        filled |= sheet::read(&content, &book, &mut builder)?;
    }
    if !filled {
        return Err(ParseError::NoText);
    }
    builder.finish(Format::Xlsx, Some(sheets.len()), ParseError::NoText)
}

/// The sheets in the order of their tabs, and the date system.
fn read_workbook(content: &[u8], limits: &Limits) -> Result<(Vec<SheetName>, bool), ParseError> {
    let mut xml = Xml::new(content, limits);
    let (mut sheets, mut from_1904) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Node::Open(tag) => match tag.name().as_str() {
                "workbookPr" => {
                    from_1904 = tag.attribute("date1904").is_some_and(|value| value == "1" || value == "true")
                }
                "sheet" => sheets.push(SheetName {
                    name: tag.attribute("name").unwrap_or_default(),
                    relation: tag.relation("id").unwrap_or_default(),
                    visible: !matches!(tag.attribute("state").as_deref(), Some("hidden" | "veryHidden")),
                }),
                _ => {}
            },
            Node::End => return Ok((sheets, from_1904)),
            _ => {}
        }
    }
}
