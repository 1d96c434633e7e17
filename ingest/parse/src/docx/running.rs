//! Headers and footers, shown once before everything else.

use super::notes::part_text;
use crate::archive::Archive;
use crate::{Limits, ParseError, relations};

/// Headers and footers of one file that are read; each section may have three of both.
const MOST: usize = 24;

/// The different texts of a document's headers and footers. Those with numbers alone are left out.
pub(super) fn read(archive: &mut Archive<'_>, part: &str, limits: &Limits) -> Result<Vec<String>, ParseError> {
    let relations = relations::read(archive, part, limits)?;
    let parts = relations.into_iter().filter(|relation| matches!(relation.kind.as_str(), "header" | "footer"));
    let mut texts: Vec<String> = Vec::new();
    for relation in parts.take(MOST) {
        let Some(bytes) = archive.read(&relation.target)? else { continue };
        let text = part_text(&bytes, limits)?.trim().to_owned();
        let bare = text.to_lowercase().replace("page", "").replace("of", "");
        if bare.chars().any(|c| c.is_alphabetic() && !"第共页頁".contains(c)) && !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(texts)
}
