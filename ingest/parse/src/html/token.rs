//! HTML cut into tags and text in one pass.
//!
//! A tree is not built: text extraction needs no tree, and repairing one is where parsers of hostile HTML lose their
//! time. The rules for where tags, comments, raw text and character references end are those of the HTML standard.

use std::borrow::Cow;

/// A piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'h> {
    /// A start tag.
    Open(Tag<'h>),
    /// The name of an end tag, in lower case.
    Close(Cow<'h, str>),
    /// Text between tags, character references not yet decoded.
    Text(&'h str),
    /// The content of a `title` element.
    Title(&'h str),
}

/// A start tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'h> {
    /// In lower case.
    pub(super) name: Cow<'h, str>,
    attributes: &'h str,
}

impl<'h> Tag<'h> {
    /// The value of an attribute, as written; names are given in lower case.
    pub(super) fn attribute(&self, name: &str) -> Option<&'h str> {
        let mut rest = self.attributes;
        while let Some((found, value, after)) = next_attribute(rest) {
            if found.eq_ignore_ascii_case(name) {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

/// Elements whose content is not markup. Only a title's is kept.
const RAW: [&str; 8] = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"];

/// The tokens of `html`.
pub(super) struct Tokens<'h> {
    rest: &'h str,
}

impl<'h> Tokens<'h> {
    pub(super) fn new(html: &'h str) -> Self {
        Self { rest: html }
    }

    /// Takes `length` bytes off the front.
    fn take(&mut self, length: usize) -> &'h str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// What follows a `<`; `None` when nothing is to be told of it.
    fn markup(&mut self) -> Option<Token<'h>> {
        let after = self.rest.get(1..).unwrap_or_default();
        if let Some(inner) = after.strip_prefix("!--") {
            self.take(4 + comment_length(inner));
            return None;
        }
        if let Some(inner) = after.strip_prefix("![CDATA[") {
            let length = inner.find("]]>").unwrap_or(inner.len());
            self.take(9);
            let text = self.take(length);
            self.take(3);
            return Some(Token::Text(text));
        }
        let second = after.strip_prefix('/').unwrap_or(after).chars().next();
        if second.is_some_and(|c| c.is_ascii_alphabetic()) {
            return self.tag(after.starts_with('/'));
        }
        if after.starts_with(['!', '?', '/']) {
            let length = self.rest.find('>').map_or(self.rest.len(), |end| end + 1);
            self.take(length);
            return None;
        }
        Some(Token::Text(self.take(1)))
    }

    fn tag(&mut self, closing: bool) -> Option<Token<'h>> {
        self.take(1 + usize::from(closing));
        let length = self.rest.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
        let name = lower(self.take(length.unwrap_or(self.rest.len())));
        let before = self.rest;
        while let Some((_, _, after)) = next_attribute(self.rest) {
            self.rest = after;
        }
        let attributes = before.get(..before.len() - self.rest.len()).unwrap_or_default();
        let end = self.rest.find('>').map_or(self.rest.len(), |end| end + 1);
        self.take(end);
        if closing {
            return Some(Token::Close(name));
        }
        if RAW.contains(&&*name) {
            let content = self.raw(&name);
            return (name == "title").then_some(Token::Title(content));
        }
        Some(Token::Open(Tag { name, attributes }))
    }

    /// The content of a raw text element, up to its end tag or the end of the file.
    fn raw(&mut self, name: &str) -> &'h str {
        let mut from = 0;
        while let Some(at) = self.rest.get(from..).and_then(|rest| rest.find("</")) {
            let start = from + at;
            let tag = self.rest.as_bytes().get(start + 2..start + 2 + name.len());
            if tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes())) {
                let content = self.take(start);
                let end = self.rest.find('>').map_or(self.rest.len(), |end| end + 1);
                self.take(end);
                return content;
            }
            from = start + 2;
        }
        self.take(self.rest.len())
    }
}

impl<'h> Iterator for Tokens<'h> {
    type Item = Token<'h>;

    fn next(&mut self) -> Option<Token<'h>> {
        while !self.rest.is_empty() {
            if !self.rest.starts_with('<') {
                let length = self.rest.find('<').unwrap_or(self.rest.len());
                return Some(Token::Text(self.take(length)));
            }
            if let Some(token) = self.markup() {
                return Some(token);
            }
        }
        None
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Bytes of a comment after its `<!--`, with the end mark.
fn comment_length(inner: &str) -> usize {
    if inner.starts_with('>') {
        return 1;
    }
    if inner.starts_with("->") {
        return 2;
    }
    let plain = inner.find("-->").map(|at| at + 3);
    plain.unwrap_or(inner.len())
}

/// Name, value and what follows of the next attribute; `None` at the end of the tag.
fn next_attribute(tag: &str) -> Option<(&str, &str, &str)> {
    let rest = tag.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
    let first = rest.chars().next().filter(|c| *c != '>')?;
    let skip = first.len_utf8();
    let length = rest.get(skip..)?.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'));
    let (name, rest) = rest.split_at_checked(length.map_or(rest.len(), |length| length + skip))?;
    let Some(value) = rest.trim_start_matches(|c: char| c.is_ascii_whitespace()).strip_prefix('=') else {
        return Some((name, "", rest));
    };
    let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quoted) = quote.and_then(|quote| value.strip_prefix(quote)) {
        let end = quote.and_then(|quote| quoted.find(quote));
        let (value, rest) = quoted.split_at_checked(end.unwrap_or(quoted.len()))?;
        return Some((name, value, rest.get(1..).unwrap_or_default()));
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
    let (value, rest) = value.split_at_checked(end)?;
    Some((name, value, rest))
}

/// Appends text with its character references decoded.
pub(super) fn push_decoded(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let length = push_reference(out, rest);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// Longest name of a reference in the standard's table.
const LONGEST_NAME: usize = 32;

/// Decodes the reference at the front, or passes its `&` through; returns the bytes used.
fn push_reference(out: &mut String, text: &str) -> usize {
    let inner = text.get(1..).unwrap_or_default();
    let body = inner.bytes().take(LONGEST_NAME).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    let name = inner.get(..body).unwrap_or_default();
    let closed = usize::from(inner.get(body..).is_some_and(|rest| rest.starts_with(';')));
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    });
    if let Some(number) = number {
        out.push(windows_1252(number));
        return 1 + body + closed;
    }
    let old = matches!(name, "amp" | "lt" | "gt" | "quot" | "nbsp" | "copy" | "reg");
    match quick_xml::escape::resolve_html5_entity(name).filter(|_| closed == 1 || old) {
        Some(found) => {
            out.push_str(found);
            1 + body + closed
        }
        None => {
            out.push('&');
            1
        }
    }
}

/// Numbers 128 to 159 mean the characters of windows-1252, by the standard.
fn windows_1252(number: u32) -> char {
    if let Ok(byte @ 0x80..=0x9f) = u8::try_from(number) {
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(std::slice::from_ref(&byte));
        return text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(number).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(html: &str) -> Vec<String> {
        let show = |token| match token {
            Token::Open(tag) => format!("<{}", tag.name),
            Token::Close(name) => format!("/{name}"),
            Token::Text(text) => text.to_owned(),
            Token::Title(text) => format!("title {text}"),
        };
        Tokens::new(html).map(show).collect()
    }

    #[test]
    fn tags_comments_and_raw_text_end_where_they_should() {
        assert_eq!(shape("a<B x='>' y=1/>b</b >c"), ["a", "<b", "b", "/b", "c"]);
        assert_eq!(shape("<!-- <p> --><p>1 < 2<!doctype x><?pi?></p"), ["<p", "1 ", "<", " 2", "/p"]);
        assert_eq!(shape("<script>if (a</b) '</script>' </SCRIPT>x"), ["' ", "/script", "x"]);
        assert_eq!(shape("<title>a<b</title>c<style>d"), ["title a<b", "c"]);
    }

    #[test]
    fn attributes_are_found() {
        let Some(Token::Open(tag)) = Tokens::new("<div CLASS = \"a b\" hidden id=x>").next() else { panic!("no tag") };
        assert_eq!(
            (tag.attribute("class"), tag.attribute("hidden"), tag.attribute("id")),
            (Some("a b"), Some(""), Some("x"))
        );
        assert_eq!(tag.attribute("role"), None);
    }

    #[test]
    fn references_are_decoded() {
        let mut out = String::new();
        push_decoded(&mut out, "a&amp;b &#20013;&#x6587; &hellip; &nope; &copy 2026 &#150; & &");
        assert_eq!(out, "a&b 中文 … &nope; © 2026 – & &");
    }
}
