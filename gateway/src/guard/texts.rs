//! The texts of a body that people wrote, and where they stand.

use std::{borrow::Cow, ops::Range};

/// Fields at the top of a body that hold what is said.
const SAID: [&[u8]; 8] =
    [b"messages", b"prompt", b"input", b"query", b"documents", b"instructions", b"suffix", b"system"];
/// Fields below them that hold no words: names of the protocol, and bytes of pictures and sounds.
const NOT_SAID: [&[u8]; 10] =
    [b"role", b"type", b"id", b"tool_call_id", b"url", b"data", b"file_data", b"file_id", b"format", b"detail"];

/// A text and its place in the body, quotes included.
pub(super) struct Text<'a> {
    pub(super) at: Range<usize>,
    pub(super) text: Cow<'a, str>,
}

/// Every text of a strict JSON body that was said. What is no JSON has none.
pub(super) fn texts(body: &[u8]) -> Vec<Text<'_>> {
    let mut reader = Reader { body, at: 0, open: Vec::new(), found: Vec::new() };
    while reader.step().is_some() {}
    reader.found
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    /// Objects and lists around this place, each with the key that is read now.
    open: Vec<(bool, Option<&'a [u8]>)>,
    found: Vec<Text<'a>>,
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> Option<()> {
        let byte = *self.body.get(self.at)?;
        match byte {
            b'{' | b'[' => self.open.push((byte == b'{', None)),
            b'}' | b']' => drop(self.open.pop()?),
            b'"' => return self.text(),
            b',' => {
                if let Some((true, key)) = self.open.last_mut() {
                    *key = None;
                }
            }
            _ => {}
        }
        self.at += 1;
        Some(())
    }

    fn text(&mut self) -> Option<()> {
        let start = self.at;
        let mut end = start + 1;
        loop {
            end += memchr::memchr2(b'"', b'\\', self.body.get(end..)?)?;
            if self.body.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        self.at = end + 1;
        let raw = self.body.get(start + 1..end)?;
        if let Some((true, key @ None)) = self.open.last_mut() {
            *key = Some(raw);
        } else if self.is_said() {
            self.found.extend(read(self.body, start..end + 1));
        }
        Some(())
    }

    fn is_said(&self) -> bool {
        let top = self.open.first().and_then(|(_, key)| *key);
        let leaf = self.open.iter().rev().find_map(|(is_object, key)| is_object.then_some(*key).flatten());
        top.is_some_and(|top| SAID.contains(&top)) && leaf.is_none_or(|leaf| !NOT_SAID.contains(&leaf))
    }
}

fn read(body: &[u8], at: Range<usize>) -> Option<Text<'_>> {
    let raw = body.get(at.start + 1..at.end - 1)?;
    let text = if memchr::memchr(b'\\', raw).is_none() {
        Cow::Borrowed(std::str::from_utf8(raw).ok()?)
    } else {
        Cow::Owned(serde_json::from_slice(body.get(at.clone())?).ok()?)
    };
    Some(Text { at, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_found_and_names_of_the_protocol_are_not() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a \"b\" \u00e9"},
            {"role":"user","content":[{"type":"text","text":"c"},{"type":"image_url","image_url":{"url":"data:x"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"x\":1}"}}]}],
            "prompt":["p","q"],"input":"i","user":"u","tools":[{"description":"d"}],"x":{"messages":"no"}}"#;
        let found: Vec<_> = texts(body.as_bytes()).iter().map(|text| text.text.to_string()).collect();
        assert_eq!(found, ["a \"b\" é", "c", "f", "{\"x\":1}", "p", "q", "i"]);
        for text in texts(body.as_bytes()) {
            assert_eq!(serde_json::from_str::<String>(&body[text.at]).unwrap(), text.text);
        }
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for broken in ["", "{", "\"", "{\"messages\":\"a", "]]", "{\"messages\":\"\\"] {
            texts(broken.as_bytes());
        }
    }
}
