//! Markdown: CommonMark with tables, footnotes and front matter.

use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use crate::builder::Builder;
use crate::reflow::{Hyphen, push_line};
use crate::{BlockKind, Document, Format, Limits, ParseError, html};

/// Reads decoded Markdown.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Document, ParseError> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader::new(Builder::new(limits));
    for event in Parser::new_ext(text, options) {
        reader.event(event)?;
    }
    reader.flush()?;
    reader.builder.finish(Format::Markdown, None, ParseError::Empty)
}

/// What the text being collected will become.
enum Next {
    Paragraph,
    Heading(usize),
    Item { depth: usize, marker: String },
    Code,
    Metadata,
    Html,
}

struct Reader<'l> {
    builder: Builder<'l>,
    text: String,
    next: Next,
    /// Open lists: the number of the next item, `None` for bullets.
    lists: Vec<Option<u64>>,
    row: Vec<String>,
    footnote: Option<String>,
}

impl<'l> Reader<'l> {
    fn new(builder: Builder<'l>) -> Self {
        Self { builder, text: String::new(), next: Next::Paragraph, lists: Vec::new(), row: Vec::new(), footnote: None }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        match event {
            Event::Start(tag) => self.start(&tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) | Event::Code(text) | Event::Html(text) => self.text.push_str(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text.push_str(&text),
            Event::InlineHtml(tag) if tag.starts_with("<br") => self.text.push('\n'),
            Event::InlineHtml(_) => {}
            Event::FootnoteReference(name) => self.text.push_str(&format!("[{name}]")),
            Event::SoftBreak => self.text.push(SOFT),
            Event::HardBreak => self.text.push('\n'),
            Event::Rule => self.flush()?,
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        match tag {
            Tag::Heading { level, .. } => self.begin(Next::Heading(*level as usize))?,
            Tag::CodeBlock(_) => self.begin(Next::Code)?,
            Tag::List(start) => {
                self.flush()?;
                self.lists.push(*start);
                let limits = self.builder.limits();
                limits.check("max_nesting", self.lists.len(), limits.max_nesting)?;
            }
            Tag::Item => self.begin_item()?,
            Tag::HtmlBlock => self.begin(Next::Html)?,
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle) => {
                self.begin(Next::Metadata)?
            }
            Tag::FootnoteDefinition(name) => {
                self.flush()?;
                self.footnote = Some(format!("[{name}] "));
            }
            Tag::Table(_) | Tag::BlockQuote(_) => self.flush()?,
            Tag::TableHead | Tag::TableRow => self.row.clear(),
            Tag::Paragraph => {
                if let Some(mark) = self.footnote.take() {
                    self.text.push_str(&mark);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ParseError> {
        match tag {
            TagEnd::List(_) => {
                self.flush()?;
                self.lists.pop();
            }
            TagEnd::TableCell => {
                let text = unwrap(&std::mem::take(&mut self.text));
                self.row.push(text);
            }
            TagEnd::TableHead => self.builder.row(BlockKind::TableHeader, &self.row)?,
            TagEnd::TableRow => self.builder.row(BlockKind::TableRow, &self.row)?,
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::Item
            | TagEnd::HtmlBlock
            | TagEnd::MetadataBlock(_)
            | TagEnd::FootnoteDefinition => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, next: Next) -> Result<(), ParseError> {
        self.flush()?;
        self.next = next;
        Ok(())
    }

    fn begin_item(&mut self) -> Result<(), ParseError> {
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}.");
                *number = number.saturating_add(1);
                marker
            }
            _ => "-".to_owned(),
        };
        let depth = self.lists.len().saturating_sub(1);
        self.begin(Next::Item { depth, marker })
    }

    fn flush(&mut self) -> Result<(), ParseError> {
        if self.text.trim().is_empty() {
            self.text.clear();
            return Ok(());
        }
        let raw = std::mem::take(&mut self.text);
        match std::mem::replace(&mut self.next, Next::Paragraph) {
            Next::Paragraph => self.builder.paragraph(&unwrap(&raw)),
            Next::Heading(level) => self.builder.heading(level, &unwrap(&raw)),
            Next::Item { depth, marker } => self.builder.list_item(depth, &marker, &unwrap(&raw)),
            Next::Code => self.builder.code(&raw),
            Next::Metadata => self.metadata(&raw),
            Next::Html => html::append(&mut self.builder, &raw).map(|_| ()),
        }
    }

    /// Front matter: its title names the document, its lines are text like any other.
    fn metadata(&mut self, raw: &str) -> Result<(), ParseError> {
        let title = raw.lines().find_map(|line| line.strip_prefix("title").map(|rest| rest.trim_start()));
        if let Some(value) = title.and_then(|rest| rest.strip_prefix([':', '='])) {
            self.builder.title(value.trim().trim_matches(['"', '\'']));
        }
        self.builder.paragraph(raw)
    }
}

/// Stands for a line end of the source until it is known what follows.
const SOFT: char = '\u{1}';

fn unwrap(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for (index, line) in raw.split(SOFT).enumerate() {
        if index == 0 {
            out.push_str(line);
        } else {
            push_line(&mut out, line, Hyphen::Keep);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_blocks() {
        let text = "---\ntitle: \"手册\"\nauthor: Li\n---\n# Guide\n\nHard\nwrapped 中文\n中文[^1].\n\n- one\n  1. inner\n- two\n\n```rust\nfn main() {\n}\n```\n\n| a | b |\n|---|---|\n| 1 | `x` |\n\n<div><p>raw</p></div>\n\n[^1]: Note.\n";
        let document = parse(text, &Limits::default()).unwrap();
        assert_eq!(document.title.as_deref(), Some("手册"));
        let expected = "title: \"手册\"\nauthor: Li\n\nGuide\n\nHard wrapped 中文中文[1].\n\n- one\n  1. inner\n- two\n\nfn main() {\n}\n\na | b\n1 | x\n\nraw\n\n[1] Note.";
        assert_eq!(document.text, expected);
        let kinds: Vec<BlockKind> = document.blocks.iter().map(|block| block.kind).collect();
        use BlockKind::{Code, Heading, ListItem, Paragraph, TableHeader, TableRow};
        let expected = [
            Paragraph,
            Heading { level: 1 },
            Paragraph,
            ListItem,
            ListItem,
            ListItem,
            Code,
            TableHeader,
            TableRow,
            Paragraph,
            Paragraph,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn every_paragraph_of_an_item_is_kept() {
        let document = parse("1. a\n\n   b\n2. c", &Limits::default()).unwrap();
        assert_eq!(document.text, "1. a\n\nb\n\n2. c");
    }
}
