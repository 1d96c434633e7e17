//! A stream, and what it is when it is put together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Shapes, objects, split::event};
use crate::forward::Door;

/// Reads a stream that ended with `[DONE]`.
pub(super) fn read(door: Door, answer: &[u8]) -> Option<Shapes> {
    let mut joining = Joining { door, ..Joining::new() };
    let mut done = false;
    for line in answer.split(|byte| *byte == b'\n') {
        let Some(data) = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) else { continue };
        if data == b"[DONE]" {
            done = true;
            break;
        }
        joining.take(serde_json::from_slice(data).ok()?)?;
    }
    if done { joining.whole() } else { None }
}

/// The answer while it is put together.
struct Joining {
    door: Door,
    /// Fields beside the choices; the first word of each counts.
    base: Map<String, Value>,
    choices: BTreeMap<u64, Map<String, Value>>,
    usage: Option<Value>,
    stream: Vec<u8>,
}

impl Joining {
    fn new() -> Self {
        Self { door: Door::Chat, base: Map::new(), choices: BTreeMap::new(), usage: None, stream: Vec::new() }
    }

    /// One chunk; `None` when it is no chunk, as an error in the middle of a stream.
    fn take(&mut self, mut chunk: Map<String, Value>) -> Option<()> {
        if let Some(usage) = chunk.remove("usage").filter(|usage| !usage.is_null()) {
            self.usage = Some(usage);
        }
        let choices = chunk.get("choices")?.as_array()?;
        if !choices.is_empty() {
            event(&mut self.stream, &chunk)?;
        }
        let Some(Value::Array(choices)) = chunk.remove("choices") else { return None };
        for (key, value) in chunk {
            self.base.entry(key).or_insert(value);
        }
        for choice in choices {
            let Value::Object(choice) = choice else { return None };
            self.choice(choice);
        }
        Some(())
    }

    fn choice(&mut self, choice: Map<String, Value>) {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let whole = self.choices.entry(index).or_default();
        for (key, value) in choice {
            match (key.as_str(), value) {
                ("index", _) => {}
                ("delta", Value::Object(delta)) => {
                    let message = whole.entry("message").or_insert_with(|| json!({}));
                    message.as_object_mut().into_iter().for_each(|message| merge(message, delta.clone()));
                }
                (_, value) => merge(whole, Map::from_iter([(key, value)])),
            }
        }
    }

    fn whole(mut self) -> Option<Shapes> {
        let (whole, piece) = objects(self.door);
        let counts = match &self.usage {
            None => Vec::new(),
            Some(usage) => {
                let mut last = self.base.clone();
                last.extend([("object".to_owned(), piece.into()), ("choices".to_owned(), json!([]))]);
                last.insert("usage".to_owned(), usage.clone());
                serde_json::to_vec(&last).ok()?
            }
        };
        self.base.insert("object".to_owned(), whole.into());
        let choices = self.choices.into_iter().map(|(index, choice)| finished(self.door, index, choice));
        self.base.insert("choices".to_owned(), choices.collect());
        self.base.extend(self.usage.map(|usage| ("usage".to_owned(), usage)));
        let plain = serde_json::to_vec(&self.base).ok()?;
        Some(Shapes { plain, stream: self.stream, counts, ..Shapes::default() })
    }
}

/// A choice with the fields that clients expect, and without the numbers that only pieces have.
fn finished(door: Door, index: u64, mut choice: Map<String, Value>) -> Value {
    choice.insert("index".to_owned(), index.into());
    choice.entry("logprobs").or_insert(Value::Null);
    choice.entry("finish_reason").or_insert(Value::Null);
    if door == Door::Chat {
        let message = choice.entry("message").or_insert_with(|| json!({}));
        if let Some(message) = message.as_object_mut() {
            message.entry("role").or_insert_with(|| "assistant".into());
            let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
            for call in calls.into_iter().flatten().filter_map(Value::as_object_mut) {
                call.remove("index");
            }
            let calls = message.contains_key("tool_calls");
            let content = message.entry("content").or_insert(Value::Null);
            if calls && content == "" {
                *content = Value::Null;
            }
        }
    } else {
        choice.entry("text").or_insert_with(|| "".into());
    }
    Value::Object(choice)
}

/// Texts that come in pieces; every other text is said once.
const IN_PIECES: [&str; 6] = ["content", "text", "refusal", "reasoning", "reasoning_content", "arguments"];

/// Adds what is new: texts grow, lists grow (pieces with an `index` grow by themselves), objects merge, and null says
/// nothing.
fn merge(whole: &mut Map<String, Value>, new: Map<String, Value>) {
    for (key, value) in new {
        let in_pieces = IN_PIECES.contains(&key.as_str());
        match (whole.get_mut(&key), value) {
            (Some(_), Value::Null) => {}
            (Some(Value::String(text)), Value::String(more)) if in_pieces => text.push_str(&more),
            (Some(Value::Object(held)), Value::Object(more)) => merge(held, more),
            (Some(Value::Array(held)), Value::Array(more)) => more.into_iter().for_each(|item| add(held, item)),
            (_, value) => drop(whole.insert(key, value)),
        }
    }
}

fn add(held: &mut Vec<Value>, item: Value) {
    let index = item.get("index").and_then(Value::as_u64);
    let same = held.iter_mut().find(|known| index.is_some() && known.get("index").and_then(Value::as_u64) == index);
    match (same.and_then(Value::as_object_mut), item) {
        (Some(known), Value::Object(item)) => merge(known, item),
        (_, item) => held.push(item),
    }
}
