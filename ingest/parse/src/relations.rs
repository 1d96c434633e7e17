//! Relationships between the parts of an Office file: which id means which part.

use crate::archive::Archive;
use crate::xml::{Node, Xml};
use crate::{Limits, ParseError};

/// One relationship of a part.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) id: String,
    /// The last word of its type, such as `slide` or `notesSlide`.
    pub(crate) kind: String,
    /// Name of the part in the archive.
    pub(crate) target: String,
}

/// The relationships of `part`; none when it has no list of them.
pub(crate) fn read(archive: &mut Archive<'_>, part: &str, limits: &Limits) -> Result<Vec<Relation>, ParseError> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let list = format!("{folder}/_rels/{file}.rels");
    let bytes = archive.read(list.trim_start_matches('/'))?.unwrap_or_default();
    let mut xml = Xml::new(&bytes, limits);
    let mut relations = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name().as_str() == "Relationship" => {
                let external = tag.attribute("TargetMode").is_some_and(|mode| mode == "External");
                if let (Some(id), Some(target), false) = (tag.attribute("Id"), tag.attribute("Target"), external) {
                    let kind = tag.attribute("Type").unwrap_or_default();
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    relations.push(Relation { id, kind, target: resolve(folder, &target) });
                }
            }
            Node::End => return Ok(relations),
            _ => {}
        }
    }
}

/// A target relative to its folder, as a name in the archive.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_against_their_folder() {
        assert_eq!(resolve("ppt/slides", "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolve("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("xl", "/xl/sharedStrings.xml"), "xl/sharedStrings.xml");
    }
}
