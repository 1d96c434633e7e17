//! What a person asks of a file: facts on known pages, and refusals that say what to do.
#![cfg(test)]

mod formats;
mod hostile;
mod layout;
mod locked;
mod made;
mod mail;
mod messages;
mod office;
mod pdf;
mod random;
mod word;
mod worker;

use kubemate_parse::{Block, BlockKind, Document, Hint, Limits, ParseError, parse};

/// The bytes of a fixture; `tests/fixtures/make.py` says how each was made.
fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn try_parse(bytes: &[u8], filename: &str, limits: &Limits) -> Result<Document, ParseError> {
    let document = parse(bytes, &Hint { filename, media_type: None }, limits)?;
    assert_sound(&document);
    Ok(document)
}

fn read(name: &str) -> Document {
    try_parse(&fixture(name), name, &Limits::default()).unwrap()
}

fn code_of(bytes: &[u8], filename: &str) -> &'static str {
    try_parse(bytes, filename, &Limits::default()).unwrap_err().code()
}

/// Every promise of `Document` about its ranges.
fn assert_sound(document: &Document) {
    let mut end = 0;
    let mut page = 0;
    for block in &document.blocks {
        let between = document.text.get(end..block.range.start).expect("ascending, on character borders");
        assert!(between.chars().all(|c| c == '\n'), "{between:?} between blocks");
        assert_eq!(between.is_empty(), end == 0);
        assert!(!document.text.get(block.range.clone()).expect("on character borders").is_empty());
        if let Some(number) = block.page {
            assert!(number >= page && number >= 1 && Some(number) <= document.pages);
            page = number;
        }
        end = block.range.end;
    }
    assert_eq!(end, document.text.len());
    assert!(!document.blocks.is_empty());
}

fn text_of<'d>(document: &'d Document, block: &Block) -> &'d str {
    &document.text[block.range.clone()]
}

/// Kind in short, page and text of each block.
fn outline(document: &Document) -> Vec<String> {
    let line = |block: &Block| {
        let kind = match block.kind {
            BlockKind::Heading { level } => format!("h{level}"),
            BlockKind::Paragraph => "p".to_owned(),
            BlockKind::ListItem => "li".to_owned(),
            BlockKind::TableHeader => "th".to_owned(),
            BlockKind::TableRow => "tr".to_owned(),
            BlockKind::Code => "code".to_owned(),
            BlockKind::Contents => "contents".to_owned(),
        };
        let page = block.page.map(|page| format!("@{page}")).unwrap_or_default();
        format!("{kind}{page} {}", text_of(document, block))
    };
    document.blocks.iter().map(line).collect()
}
