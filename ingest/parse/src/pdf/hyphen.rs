//! Which hyphens at line ends were typed and which were added: the document's own words tell.

use std::collections::HashMap;

use super::running::PageLines;

/// Parts shorter than this are syllables as often as words.
const SHORTEST_WORD: usize = 3;

/// The words that broken lines of a document ask about, and whether each stands somewhere unbroken.
#[derive(Debug, Default)]
pub(super) struct Hyphens {
    seen: HashMap<String, bool>,
}

impl Hyphens {
    pub(super) fn of(pages: &[PageLines]) -> Self {
        let texts = || pages.iter().flat_map(|page| page.lines.iter().map(|line| line.piece.text.as_str()));
        let mut hyphens = Self::default();
        let mut before: Option<&str> = None;
        for text in texts() {
            if let Some((stem, rest)) = before.and_then(|before| broken(before, text)) {
                for word in [format!("{stem}{rest}"), format!("{stem}-{rest}"), stem.to_owned(), rest.to_owned()] {
                    hyphens.seen.insert(word, false);
                }
            }
            before = Some(text);
        }
        if hyphens.seen.is_empty() {
            return hyphens;
        }
        let mut before = "";
        for text in texts() {
            hyphens.look_at(text, before);
            before = text;
        }
        hyphens
    }

    /// Notes the words of a line; the parts of broken words at its ends are no witnesses.
    fn look_at(&mut self, text: &str, before: &str) {
        let broken_off = |line: &str| line.ends_with(['-', '\u{2010}', '\u{ad}']);
        let skip = usize::from(broken_off(before));
        let whole = if broken_off(text) { text.rsplit_once(' ').map_or("", |(whole, _)| whole) } else { text };
        for word in whole.split_whitespace().skip(skip) {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if let Some(seen) = self.seen.get_mut(word) {
                *seen = true;
            }
        }
    }

    /// Whether the hyphen between two lines was added by typesetting.
    pub(super) fn is_added(&self, before: &str, after: &str) -> bool {
        let Some((stem, rest)) = broken(before, after) else { return false };
        let seen = |word: &str| self.seen.get(word).copied().unwrap_or(false);
        if seen(&format!("{stem}{rest}")) {
            return true;
        }
        let words = [stem, rest].iter().all(|part| part.chars().count() >= SHORTEST_WORD && seen(part));
        !seen(&format!("{stem}-{rest}")) && !words
    }
}

/// The two parts of the word that is broken between two lines, in lower-case letters at the break.
fn broken<'t>(before: &'t str, after: &'t str) -> Option<(&'t str, &'t str)> {
    let stem = before.strip_suffix(['-', '\u{2010}', '\u{ad}']).filter(|stem| stem.ends_with(char::is_lowercase))?;
    let stem = stem.rsplit(|c: char| !c.is_alphanumeric()).next()?;
    let length = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
    let rest = after.get(..length).filter(|rest| rest.starts_with(char::is_lowercase))?;
    Some((stem, rest))
}
