//! A plain answer as a stream, and a stream as a plain answer.
//!
//! Both are read as JSON without a model of their fields: an upstream's own additions survive.

mod joined;
mod split;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::forward::Door;

/// Reasons to stop that say more about a rule than about the question.
const FILTERED: &str = "content_filter";

/// An answer in every shape that its door has.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// The JSON object of a plain answer.
    pub(super) plain: Vec<u8>,
    /// Events without counts and without `[DONE]`; empty at doors that do not stream.
    pub(super) stream: Vec<u8>,
    /// The JSON of the event with the counts; empty when they are not known.
    pub(super) counts: Vec<u8>,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
}

/// The shapes of a whole answer; `None` for an error, one that was cut, or one that must not be kept.
pub(super) fn read(door: Door, streams: bool, answer: &[u8], tools: bool) -> Option<Shapes> {
    match door {
        Door::Chat | Door::Completions => {
            let mut shapes = if streams { joined::read(door, answer)? } else { split::read(door, answer)? };
            let whole: Whole = serde_json::from_slice(&shapes.plain).ok()?;
            (shapes.prompt_tokens, shapes.completion_tokens) = whole.usage.map(Counts::both).unwrap_or_default();
            let ended = !whole.choices.is_empty() && whole.choices.iter().all(|choice| choice.is_good(tools));
            ended.then_some(shapes)
        }
        Door::Embeddings | Door::Rerank => {
            let whole: Listed = serde_json::from_slice(answer).ok()?;
            whole.data.or(whole.results)?;
            let (prompt_tokens, completion_tokens) = whole.usage.map(Counts::both).unwrap_or_default();
            Some(Shapes { plain: answer.to_vec(), prompt_tokens, completion_tokens, ..Shapes::default() })
        }
    }
}

#[derive(Deserialize)]
struct Whole {
    choices: Vec<Ended>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Ended {
    finish_reason: Option<String>,
    #[serde(default)]
    message: Map<String, Value>,
}

impl Ended {
    fn is_good(&self, tools: bool) -> bool {
        let calls =
            |name| self.message.get(name).is_some_and(|calls| !calls.is_null() && calls != &Value::Array(vec![]));
        let ended = self.finish_reason.as_deref().is_some_and(|reason| reason != FILTERED);
        ended && (tools || !(calls("tool_calls") || calls("function_call")))
    }
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    results: Option<&'a serde_json::value::RawValue>,
    usage: Option<Counts>,
}

#[derive(Clone, Copy, Deserialize)]
struct Counts {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Counts {
    fn both(self) -> (u64, u64) {
        (self.prompt_tokens, self.completion_tokens)
    }
}

/// What the door calls a whole answer and a piece of one.
fn objects(door: Door) -> (&'static str, &'static str) {
    match door {
        Door::Chat => ("chat.completion", "chat.completion.chunk"),
        _ => ("text_completion", "text_completion"),
    }
}

#[cfg(test)]
mod tests;
