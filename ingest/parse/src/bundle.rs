//! A zip archive of documents: each is a section under its path.

use crate::archive::Archive;
use crate::builder::Builder;
use crate::format;
use crate::scope::Scope;
use crate::{Document, Format, Hint, ParseError};

/// Reads an opened archive. What is no document is named at the end; a document that cannot be read fails the whole, since
/// whoever uploaded it would look for its text in vain.
pub(crate) fn parse(mut archive: Archive<'_>, scope: Scope<'_>) -> Result<Document, ParseError> {
    let inner = scope.inside()?;
    let mut builder = Builder::new(scope.limits);
    let (mut read, mut others) = (0_usize, Vec::new());
    for index in 0..archive.len() {
        let Some((path, bytes)) = archive.member(index)? else { continue };
        if is_furniture(&path) {
            continue;
        }
        match format::read(&bytes, &Hint { filename: &path, media_type: None }, inner) {
            Ok(document) => {
                read += 1;
                builder.heading(1, &path)?;
                builder.include(&document, 1)?;
            }
            Err(ParseError::Unsupported(_) | ParseError::Empty | ParseError::NoText) => others.push(path),
            Err(error) => return Err(error.inside(&path)),
        }
    }
    match (read, others.is_empty()) {
        (0, true) => return Err(ParseError::Empty),
        (0, false) => return Err(ParseError::Unsupported("a zip archive without a document in it".to_owned())),
        _ => {}
    }
    if !others.is_empty() {
        builder.paragraph(&format!("Not read: {}", others.join(", ")))?;
    }
    builder.finish(Format::Zip, None, ParseError::Empty)
}

/// What systems leave in archives beside the files.
fn is_furniture(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("__MACOSX/") || matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini") || name.starts_with("~$")
}
