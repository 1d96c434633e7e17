//! Sections of documents: a heading is a question, the text below it is the answer.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kubemate_corpus::{DocumentParser, Found, InProcessParser, ParseFailure, Upload};
use kubemate_objects::ByteStream;
use kubemate_parse::{Block, BlockKind, Document, Hint, Limits, parse};

/// What stands in a heading's place.
const BLANK: &str = "§";
/// Shortest text below a heading, in characters, that can answer anything.
const SHORTEST: u64 = 80;

/// A heading and the place of the text below it.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) heading: String,
    filename: String,
    start: u64,
    end: u64,
}

impl Section {
    /// Whether most of the passage, or most of the section, is in both.
    pub(crate) fn holds(&self, found: &Found) -> bool {
        let passage = &found.passage;
        let shared = self.end.min(passage.end).saturating_sub(self.start.max(passage.start));
        let shorter = (passage.end - passage.start).min(self.end - self.start);
        found.filename == self.filename && shared * 2 > shorter
    }
}

/// Reads documents with their headings blanked out, and remembers the sections.
#[derive(Debug, Default, Clone)]
pub(crate) struct Blanking {
    inner: InProcessParser,
    sections: Arc<Mutex<HashMap<String, Vec<Section>>>>,
}

impl Blanking {
    pub(crate) fn sections(&self) -> Vec<Section> {
        let sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Section> = sections.values().flatten().cloned().collect();
        all.retain(|section| section.end - section.start >= SHORTEST && is_question(&section.heading));
        all.sort_by(|left, right| (&left.filename, left.start).cmp(&(&right.filename, right.start)));
        all
    }
}

#[async_trait]
impl DocumentParser for Blanking {
    async fn parse(&self, upload: &Upload, body: ByteStream) -> Result<Document, ParseFailure> {
        let document = self.inner.parse(upload, body).await?;
        let (document, sections) = blanked(&document, &upload.filename);
        self.sections.lock().unwrap_or_else(PoisonError::into_inner).insert(upload.filename.clone(), sections);
        Ok(document)
    }
}

fn blanked(document: &Document, filename: &str) -> (Document, Vec<Section>) {
    let (mut text, mut chars, mut blocks) = (String::new(), 0, Vec::new());
    let mut sections: Vec<Section> = Vec::new();
    for block in &document.blocks {
        let own = document.text.get(block.range.clone()).unwrap_or_default();
        let is_heading = matches!(block.kind, BlockKind::Heading { .. });
        let shown = if is_heading { BLANK } else { own };
        let row = matches!(block.kind, BlockKind::TableRow | BlockKind::TableHeader | BlockKind::ListItem);
        let gap = if text.is_empty() {
            ""
        } else if row {
            "\n"
        } else {
            "\n\n"
        };
        text.push_str(gap);
        let (start, first) = (text.len(), chars + gap.len() as u64);
        text.push_str(shown);
        chars = first + shown.chars().count() as u64;
        blocks.push(Block { range: start..text.len(), ..block.clone() });
        if is_heading {
            sections.push(Section { heading: plain(own), filename: filename.to_owned(), start: chars, end: chars });
        } else if let Some(section) = sections.last_mut() {
            section.end = chars;
        }
    }
    (Document { text, blocks, ..document.clone() }, sections)
}

/// The headings of files, without those that say too little to be asked.
pub(crate) fn headings(files: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut all = Vec::new();
    for file in files.iter().filter(|file| *file != "--") {
        let bytes = std::fs::read(file)?;
        let filename = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file);
        let Ok(document) = parse(&bytes, &Hint { filename, media_type: None }, &Limits::default()) else { continue };
        let headings = document.blocks.iter().filter(|block| matches!(block.kind, BlockKind::Heading { .. }));
        let headings = headings.filter_map(|block| document.text.get(block.range.clone())).map(plain);
        all.extend(headings.filter(|heading| is_question(heading)));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// A heading without its number.
fn plain(heading: &str) -> String {
    let rest = heading.trim_start_matches(|letter: char| {
        letter.is_ascii_digit() || matches!(letter, '.' | ' ' | '\u{a0}' | '第' | '章')
    });
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Headings of a word or two are labels, not questions.
fn is_question(heading: &str) -> bool {
    let ideographs = heading.chars().filter(|letter| ('\u{4e00}'..='\u{9fff}').contains(letter)).count();
    ideographs >= 5 || heading.split_whitespace().count() >= 4
}
