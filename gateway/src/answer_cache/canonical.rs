//! What two bodies must have in common to be the same question.
//!
//! One pass over bytes that were found to be strict JSON: keys in order, escapes undone, blanks gone, numbers as they
//! were sent. Only what would change the answer counts.

use std::{borrow::Cow, ops::Range};

/// Fields that change how an answer is sent, or whose it is, but not what it says.
const LEFT_OUT: [&[u8]; 8] = [
    b"stream",
    b"stream_options",
    b"user",
    b"metadata",
    b"cache",
    b"safety_identifier",
    b"prompt_cache_key",
    b"prompt_cache_retention",
];
/// Fields of a message that tell of tools.
const OF_TOOLS: [&[u8]; 3] = [b"tool_calls", b"tool_call_id", b"function_call"];
/// Where the fields of the body's messages stand: inside an object in a list in the body.
const MESSAGE_DEPTH: usize = 2;

/// A body's question.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Canonical {
    /// The same bytes for the same question, and for no other.
    pub(super) bytes: Vec<u8>,
    /// Whether tools are offered, or were used in the conversation.
    pub(super) tools: bool,
    /// 0 to 2; absent: the model's own.
    pub(super) temperature: Option<f64>,
}

impl Canonical {
    /// Reads a body that is strict JSON; `None` for one that is not.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.value(0)?;
        let temperature = reader.temperature.and_then(|at| std::str::from_utf8(body.get(at)?).ok()?.parse().ok());
        Some(Self { bytes: reader.out, tools: reader.tools, temperature })
    }
}

/// Where the top-level field `name` stands, from its first quote to the end of its value, and where its value begins.
pub(super) fn field(body: &[u8], name: &[u8]) -> Option<(Range<usize>, usize)> {
    let mut reader = Reader::new(body);
    reader.wanted = Some(name);
    reader.value(0)?;
    reader.found
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    out: Vec<u8>,
    tools: bool,
    temperature: Option<Range<usize>>,
    in_messages: bool,
    wanted: Option<&'a [u8]>,
    found: Option<(Range<usize>, usize)>,
}

/// A member of an object, in `out`.
struct Member {
    key: Range<usize>,
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            out: Vec::with_capacity(body.len() + 64),
            tools: false,
            temperature: None,
            in_messages: false,
            wanted: None,
            found: None,
        }
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.body.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn eat(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => {
                let text = self.text()?;
                self.put(b's', &text);
                Some(())
            }
            _ => self.literal(),
        }
    }

    /// Numbers, `true`, `false` and `null`, as they were sent.
    fn literal(&mut self) -> Option<()> {
        let rest = self.body.get(self.at..)?;
        let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        let literal = rest.get(..length).filter(|literal| !literal.is_empty())?;
        self.at += length;
        self.put(b'n', literal);
        Some(())
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.eat(b'[')?;
        self.out.push(b'[');
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.value(depth + 1)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    _ => break self.eat(b']')?,
                }
            }
        }
        self.out.push(b']');
        Some(())
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.eat(b'{')?;
        self.out.push(b'{');
        let start = self.out.len();
        let mut members: Vec<Member> = Vec::new();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                members.extend(self.member(depth)?);
                match self.peek()? {
                    b',' => self.at += 1,
                    _ => break self.eat(b'}')?,
                }
            }
        }
        self.order(start, &mut members)?;
        self.out.push(b'}');
        Some(())
    }

    /// One member; `Some(None)` when it does not count.
    fn member(&mut self, depth: usize) -> Option<Option<Member>> {
        self.peek()?;
        let (start, begun) = (self.at, self.out.len());
        let key = self.text()?;
        self.put(b'k', &key);
        let member = begun..self.out.len();
        self.eat(b':')?;
        self.peek()?;
        let value = self.at;
        if depth == 0 {
            self.in_messages = key.as_ref() == b"messages";
        }
        self.value(depth + 1)?;
        self.note(depth, &key, start, value..self.at);
        if depth == 0 && LEFT_OUT.contains(&key.as_ref()) {
            self.out.truncate(begun);
            return Some(None);
        }
        Some(Some(Member { key: member, end: self.out.len() }))
    }

    /// What a member tells of the question.
    fn note(&mut self, depth: usize, key: &[u8], start: usize, value: Range<usize>) {
        let said = self.body.get(value.clone()).is_some_and(|value| value != b"null" && value != b"[]");
        match depth {
            0 => {
                self.tools |= said && matches!(key, b"tools" | b"functions");
                if key == b"temperature" {
                    self.temperature = Some(value.clone());
                }
                if self.wanted == Some(key) {
                    self.found = Some((start..value.end, value.start));
                }
            }
            MESSAGE_DEPTH => self.tools |= said && self.in_messages && OF_TOOLS.contains(&key),
            _ => {}
        }
    }

    /// Puts members into the order of their keys. Most clients send them in the same order anyway.
    fn order(&mut self, start: usize, members: &mut [Member]) -> Option<()> {
        let out = &self.out;
        let name = |member: &Member| out.get(member.key.clone());
        if members.is_sorted_by(|left, right| name(left) <= name(right)) {
            return Some(());
        }
        members.sort_by(|left, right| name(left).cmp(&name(right)));
        let mut ordered = Vec::with_capacity(out.len() - start);
        for member in members.iter() {
            ordered.extend_from_slice(out.get(member.key.start..member.end)?);
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&ordered);
        Some(())
    }

    /// The text that begins here, escapes undone; borrowed when there are none.
    fn text(&mut self) -> Option<Cow<'a, [u8]>> {
        self.eat(b'"')?;
        let start = self.at;
        let rest = self.body.get(start..)?;
        let first = memchr::memchr2(b'"', b'\\', rest)?;
        if rest.get(first) == Some(&b'"') {
            self.at = start + first + 1;
            return rest.get(..first).map(Cow::Borrowed);
        }
        let mut end = first;
        loop {
            match rest.get(end)? {
                b'"' => break,
                _ => end += 2, // the backslash and what it escapes, which is never a quote's end
            }
            end += memchr::memchr2(b'"', b'\\', rest.get(end..)?)?;
        }
        self.at = start + end + 1;
        let quoted = self.body.get(start - 1..self.at)?;
        let text: String = serde_json::from_slice(quoted).ok()?;
        Some(Cow::Owned(text.into_bytes()))
    }

    /// With its length, so that no two rows of values read alike.
    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(body: &str) -> Vec<u8> {
        Canonical::of(body.as_bytes()).unwrap().bytes
    }

    #[test]
    fn order_blanks_and_escapes_make_no_difference() {
        let plain = bytes(r#"{"model":"m","messages":[{"role":"user","content":"é\n/"}],"n":1}"#);
        for same in [
            r#"{ "n" : 1 , "messages" : [ { "content" : "\u00e9\u000a\/" , "role" : "user" } ] , "model" : "m" }"#,
            "{\"messages\":[\n{\"r\\u006fle\":\"user\",\"content\":\"é\\n/\"}],\t\"n\":1,\r\n\"model\":\"m\"}",
            r#"{"stream":true,"model":"m","user":"u","metadata":{"k":"v"},"cache":{"ttl":1},"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"é\n/"}],"n":1}"#,
        ] {
            assert_eq!(bytes(same), plain, "{same}");
        }
    }

    #[test]
    fn what_changes_the_answer_changes_the_question() {
        let all = [
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{"stream":1}}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":null}"#,
            r#"{"a":["b","c"]}"#,
            r#"{"a":["c","b"]}"#,
            r#"{"a":["bc"]}"#,
            r#"{"a":[["b"],"c"]}"#,
            r#"{"a":[["b","c"]]}"#,
            r#"{"a":true}"#,
            r#"{"a":"\\\""}"#,
            r#"{"a":"\\"}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"b":1,"a":2}"#,
        ];
        let keys: std::collections::BTreeSet<_> = all.iter().map(|body| bytes(body)).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn tools_and_temperature_are_seen_where_they_count() {
        let of = |body: &str| Canonical::of(body.as_bytes()).unwrap();
        assert!(of(r#"{"tools":[{"type":"function"}]}"#).tools);
        assert!(of(r#"{"messages":[{"role":"tool","tool_call_id":"1","content":"x"}]}"#).tools);
        assert!(of(r#"{"messages":[{"tool_calls":[{"id":"1"}],"role":"assistant"}]}"#).tools);
        assert!(!of(r#"{"tools":null,"messages":[{"role":"user","tool_calls":null}],"x":[{"tool_calls":1}]}"#).tools);
        assert!(!of(r#"{"tools":[],"messages":[{"role":"user","content":[{"tool_calls":1}]}]}"#).tools);
        assert_eq!(of(r#"{"temperature": 0.5 }"#).temperature, Some(0.5));
        assert_eq!(of(r#"{"x":{"temperature":0.5}}"#).temperature, None);
    }

    #[test]
    fn a_field_is_found_at_the_top_only() {
        let body = br#"{"x":{"cache":1}, "cache" : {"ttl":5} ,"y":2}"#;
        let (range, value) = field(body, b"cache").unwrap();
        assert_eq!(&body[range.clone()], br#""cache" : {"ttl":5}"#);
        assert_eq!(&body[value..range.end], br#"{"ttl":5}"#);
        assert!(field(br#"{"x":{"cache":1}}"#, b"cache").is_none());
    }

    #[test]
    fn what_is_no_json_is_no_question_and_no_panic() {
        for broken in ["", "{", "{\"a\"", "{\"a\":", "[1,", "\"\\", "{\"a\":\"\\u12\"}", "{1:2}", "{\"a\":1"] {
            assert!(Canonical::of(broken.as_bytes()).is_none(), "{broken}");
        }
    }
}
