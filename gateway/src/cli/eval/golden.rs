//! Golden questions: what is asked, and which place is right.

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// A question with its right place. Each field that is given must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) question: String,
    /// Name or id of the file.
    #[serde(default)]
    file: Option<String>,
    /// A page of the place, from 1.
    #[serde(default)]
    page: Option<u32>,
    /// Words that stand there.
    #[serde(default)]
    text: Option<String>,
}

/// A place that was found or cited.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    /// First and last page.
    pub(super) pages: Option<(u32, u32)>,
    pub(super) text: &'a str,
    /// Whether the text is a quote, which may be shorter than the words asked for.
    pub(super) is_quote: bool,
}

impl Question {
    /// Whether this is the right place.
    pub(super) fn is_right(&self, place: &Place<'_>) -> bool {
        let file = self.file.as_ref().is_none_or(|file| file == place.id || file == place.name);
        let page = self.page.is_none_or(|page| place.pages.is_some_and(|(first, last)| (first..=last).contains(&page)));
        let text = self.text.as_ref().is_none_or(|text| {
            let (wanted, there) = (plain(text), plain(place.text));
            there.contains(&wanted) || place.is_quote && !there.is_empty() && wanted.contains(&there)
        });
        file && page && text
    }

    fn names_nothing(&self) -> bool {
        self.file.is_none() && self.page.is_none() && self.text.is_none()
    }
}

/// Line breaks and letter case do not count.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_lowercase()
}

/// Reads a golden set; empty lines do not count.
///
/// # Errors
/// Which line is wrong, and how.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Question>> {
    let mut questions = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let question: Question = serde_json::from_str(line).with_context(|| format!("line {}", at + 1))?;
        if question.names_nothing() {
            bail!("line {}: give `file`, `page` or `text`, so that a place can be right", at + 1);
        }
        questions.push(question);
    }
    if questions.is_empty() {
        bail!("there is no question in it");
    }
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> =
        Place { id: "file-1", name: "a.pdf", pages: Some((2, 3)), text: "Leave is\n15 days.", is_quote: false };

    fn is_right(line: &str) -> bool {
        read(line).unwrap()[0].is_right(&PLACE)
    }

    #[test]
    fn every_field_that_is_given_must_hold() {
        for right in [
            r#"{"question": "q", "file": "a.pdf"}"#,
            r#"{"question": "q", "file": "file-1", "page": 3}"#,
            r#"{"question": "q", "text": "leave is 15  days"}"#,
        ] {
            assert!(is_right(right), "{right}");
        }
        for wrong in [
            r#"{"question": "q", "file": "b.pdf"}"#,
            r#"{"question": "q", "file": "a.pdf", "page": 4}"#,
            r#"{"question": "q", "page": 2, "text": "16 days"}"#,
        ] {
            assert!(!is_right(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = |text: &str| format!("{:#}", read(text).unwrap_err());
        assert!(error("{\"question\": \"q\", \"page\": 1}\n{\"question\": \"q\"}").starts_with("line 2: give"));
        assert!(error("{\"question\": \"q\", \"site\": 1}").contains("line 1"));
        assert_eq!(error("\n"), "there is no question in it");
    }
}
