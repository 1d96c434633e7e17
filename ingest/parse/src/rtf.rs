//! Rich Text Format: groups, control words, and text in code pages or by Unicode number.

use crate::builder::Builder;
use crate::{Document, Format, Limits, ParseError};

mod fonts;
mod state;
mod token;
mod write;

use state::{Destination, State};
use token::{Token, Tokens};

/// Reads a file.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, ParseError> {
    let mut builder = Builder::new(limits);
    let whole = append(&mut builder, bytes)?;
    if !whole {
        return Err(ParseError::broken("it ends early"));
    }
    builder.finish(Format::Rtf, None, ParseError::NoText)
}

/// Adds the blocks of a file to a document; bodies of mails come this way too. Gives whether every group was closed.
pub(crate) fn append(builder: &mut Builder<'_>, bytes: &[u8]) -> Result<bool, ParseError> {
    let limits = builder.limits();
    let mut reader = Reader::new(builder);
    let mut tokens = Tokens::new(bytes);
    let mut open = 0_usize;
    while let Some(token) = tokens.next() {
        match token {
            Token::Open => {
                reader.flush();
                open += 1;
                limits.check("max_nesting", open, limits.max_nesting)?;
                reader.saved.push(reader.state.clone());
            }
            Token::Close => {
                reader.flush();
                open = open.saturating_sub(1);
                reader.end_group()?;
                if open == 0 {
                    break;
                }
            }
            Token::Byte(byte) => reader.byte(byte),
            Token::Ignorable => reader.ignorable = true,
            Token::Word(word, number) => reader.word(word, number, &mut tokens)?,
        }
        limits.check("max_text_bytes", reader.text.len(), limits.max_text_bytes)?;
    }
    reader.flush();
    reader.end()?;
    Ok(open == 0)
}

/// Reads one file.
struct Reader<'b, 'l> {
    builder: &'b mut Builder<'l>,
    state: State,
    saved: Vec<State>,
    fonts: fonts::Fonts,
    /// Bytes of text still to be decoded: a character may be two of them.
    bytes: Vec<u8>,
    /// The first half of a character beyond the first 65,536.
    high: Option<u16>,
    /// Characters still to be passed over: they stand for the one told by its number.
    passed: usize,
    /// The next word may begin a destination of its own.
    ignorable: bool,
    text: String,
    /// What is being collected for another destination than the text.
    aside: String,
    marker: Option<String>,
    attached: Vec<String>,
    notes: usize,
    levels: std::collections::HashMap<i32, usize>,
    rows: write::Rows,
}

impl<'b, 'l> Reader<'b, 'l> {
    fn new(builder: &'b mut Builder<'l>) -> Self {
        Self {
            builder,
            state: State::default(),
            saved: Vec::new(),
            fonts: fonts::Fonts::default(),
            bytes: Vec::new(),
            high: None,
            passed: 0,
            ignorable: false,
            text: String::new(),
            aside: String::new(),
            marker: None,
            attached: Vec::new(),
            notes: 0,
            levels: std::collections::HashMap::new(),
            rows: write::Rows::default(),
        }
    }

    fn byte(&mut self, byte: u8) {
        self.ignorable = false;
        if self.passed > 0 {
            self.passed -= 1;
        } else if self.state.is_shown() {
            self.bytes.push(byte);
        }
    }

    /// Decodes the bytes collected so far with the font they were written in.
    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let text = self.fonts.decode(self.state.font, &bytes);
        self.push(&text);
    }

    /// A character by its number, which may be half of one.
    fn unicode(&mut self, number: i32) {
        self.passed = self.state.replaced_by;
        let unit = u16::try_from(number & 0xffff).unwrap_or_default();
        let units: Vec<u16> = self.high.take().into_iter().chain([unit]).collect();
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return;
        }
        self.push(&String::from_utf16_lossy(&units));
    }

    fn push(&mut self, text: &str) {
        if !self.state.is_shown() {
            return;
        }
        match self.state.destination {
            Destination::Text => self.text.push_str(text),
            _ => self.aside.push_str(text),
        }
    }

    fn word(&mut self, word: &str, number: Option<i32>, tokens: &mut Tokens<'_>) -> Result<(), ParseError> {
        self.flush();
        let ignorable = std::mem::take(&mut self.ignorable);
        if self.passed > 0 && word != "u" {
            self.passed -= 1;
            return Ok(());
        }
        if let Some(destination) = Destination::of(word) {
            self.enter(destination);
        } else if ignorable {
            self.state.destination = Destination::Nowhere;
        } else if word == "bin" {
            tokens.skip(number.unwrap_or_default());
        } else if self.state.destination == Destination::Text {
            self.in_text(word, number)?;
        } else {
            self.beside_text(word, number);
        }
        Ok(())
    }

    fn enter(&mut self, destination: Destination) {
        // What is in a part that is left out stays left out, but for text boxes.
        let inside = self.state.destination == Destination::Nowhere && destination != Destination::Text;
        if !inside {
            self.state.destination = destination;
            if destination != Destination::Text {
                self.aside.clear();
            }
        }
    }

    /// Words in the tables before the text, and in notes.
    fn beside_text(&mut self, word: &str, number: Option<i32>) {
        let value = number.unwrap_or_default();
        match (self.state.destination, word) {
            (Destination::Fonts, "f") => self.state.font = value,
            (Destination::Fonts, "fcharset") => self.fonts.set_charset(self.state.font, value),
            (Destination::Styles, "s") => self.state.style = value,
            (Destination::Styles, "outlinelevel") => self.state.outline = usize::try_from(value).ok(),
            (_, "ansicpg") => self.fonts.set_code_page(value),
            (_, "par" | "line" | "tab" | "cell") => self.push(" "),
            _ => self.everywhere(word, number),
        }
    }

    /// Words of characters.
    fn everywhere(&mut self, word: &str, number: Option<i32>) {
        match word {
            "u" => self.unicode(number.unwrap_or_default()),
            "uc" => self.state.replaced_by = usize::try_from(number.unwrap_or(1)).unwrap_or(1).min(16),
            "f" => self.state.font = number.unwrap_or_default(),
            "plain" => {
                self.state.font = self.fonts.usual;
                self.state.hidden = false;
            }
            "v" | "deleted" => self.state.hidden = number != Some(0),
            word => {
                if let Some(text) = state::character(word) {
                    self.push(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
