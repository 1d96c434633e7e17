//! Answers of OpenAI's API as lines of Ollama's.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kubemate_wire::{
    citation::Annotation,
    ollama::{ChatResponse, GenerateResponse, Logprob, Message, Metrics, ToolCall, ToolCallFunction},
};
use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Which of Ollama's answers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Chat,
    Generate,
}

/// This moment as Ollama writes it.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// As Ollama writes durations.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is read of a chunk or of a whole answer, of a chat or of a text completion; servers differ in the rest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Heard {
    #[serde(default)]
    choices: Vec<HeardChoice>,
    usage: Option<Counts>,
}

#[derive(Debug, Deserialize)]
struct HeardChoice {
    delta: Option<Said>,
    message: Option<Said>,
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
    annotations: Option<Vec<Annotation>>,
}

#[derive(Debug, Deserialize)]
struct CallPiece {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Counts {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// Writes one answer.
#[derive(Debug)]
pub(super) struct Writer {
    shape: Shape,
    model: String,
    begun: Instant,
    first: Option<Instant>,
    counts: Option<Counts>,
    reason: Option<String>,
    calls: BTreeMap<u32, (Option<String>, FunctionPiece)>,
    annotations: Vec<Annotation>,
}

/// What one line says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct New {
    text: String,
    thinking: Option<String>,
    logprobs: Vec<Logprob>,
    calls: Vec<ToolCall>,
}

impl New {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Writer {
    pub(super) fn new(shape: Shape, model: String, begun: Instant) -> Self {
        let (calls, annotations) = (BTreeMap::new(), Vec::new());
        Self { shape, model, begun, first: None, counts: None, reason: None, calls, annotations }
    }

    /// Nobody saw when the first token came: all of the time counts as answering, so that speeds stay true.
    pub(super) fn comes_at_once(&mut self) {
        self.first = Some(self.begun);
    }

    /// What is new in a chunk; `None` when it says nothing that Ollama writes.
    pub(super) fn hear(&mut self, heard: Heard) -> Option<New> {
        self.counts = heard.usage.or(self.counts);
        let choice = heard.choices.into_iter().next()?;
        let said = choice.delta.or(choice.message).unwrap_or_default();
        for (piece, place) in said.tool_calls.unwrap_or_default().into_iter().zip(0..) {
            self.piece(piece, place);
        }
        self.annotations.extend(said.annotations.unwrap_or_default());
        let mut new = New {
            text: said.content.or(choice.text).unwrap_or_default(),
            thinking: said.reasoning_content.or(said.reasoning).filter(|text| !text.is_empty()),
            logprobs: choice.logprobs.map(logprobs).unwrap_or_default(),
            calls: Vec::new(),
        };
        if choice.finish_reason.is_some() {
            self.reason = choice.finish_reason;
            new.calls = self.whole_calls();
        }
        if !new.is_empty() {
            self.first.get_or_insert_with(Instant::now);
        }
        Some(new).filter(|new| !new.is_empty())
    }

    /// Pieces of a call belong together by their number.
    fn piece(&mut self, piece: CallPiece, place: u32) {
        let (id, function) = self.calls.entry(piece.index.unwrap_or(place)).or_default();
        *id = id.take().or(piece.id);
        let more = piece.function.unwrap_or_default();
        function.name = function.name.take().or(more.name);
        function.arguments.get_or_insert_default().push_str(&more.arguments.unwrap_or_default());
    }

    /// Ollama gives calls whole. Arguments that are no object cannot be told in its words, so they are told as a text.
    fn whole_calls(&mut self) -> Vec<ToolCall> {
        let whole = |(index, (id, function)): (u32, (Option<String>, FunctionPiece))| {
            let text = function.arguments.unwrap_or_default();
            let arguments = match serde_json::from_str(&text) {
                Ok(Value::Object(arguments)) => arguments,
                _ if text.trim().is_empty() => serde_json::Map::new(),
                _ => [("arguments".to_owned(), Value::String(text))].into_iter().collect(),
            };
            ToolCall { id, function: ToolCallFunction { index, name: function.name.unwrap_or_default(), arguments } }
        };
        std::mem::take(&mut self.calls).into_iter().map(whole).collect()
    }

    /// A line in the middle.
    pub(super) fn line(&self, new: New) -> Vec<u8> {
        self.write(new, None, Metrics::default())
    }

    /// The last line, or the whole answer.
    pub(super) fn last(mut self, new: New) -> Vec<u8> {
        let reason = match self.reason.as_deref() {
            Some("length") => "length",
            _ => "stop",
        };
        let metrics = self.metrics();
        let annotations = std::mem::take(&mut self.annotations);
        Self { annotations, ..self }.write(new, Some(reason), metrics)
    }

    fn metrics(&self) -> Metrics {
        let end = Instant::now();
        let first = self.first.unwrap_or(end);
        Metrics {
            total_duration: Some(nanos(end.duration_since(self.begun))),
            load_duration: None,
            prompt_eval_count: self.counts.map(|counts| counts.prompt_tokens),
            prompt_eval_duration: Some(nanos(first.duration_since(self.begun))),
            eval_count: self.counts.map(|counts| counts.completion_tokens),
            eval_duration: Some(nanos(end.duration_since(first))),
        }
    }

    fn write(&self, new: New, reason: Option<&str>, metrics: Metrics) -> Vec<u8> {
        let (model, created_at, done) = (self.model.clone(), now(), reason.is_some());
        let done_reason = reason.map(str::to_owned);
        let New { text, thinking, logprobs, calls } = new;
        let written = match self.shape {
            Shape::Chat => {
                let message = Message {
                    role: "assistant".to_owned(),
                    content: text,
                    thinking,
                    tool_calls: Some(calls).filter(|calls| !calls.is_empty()),
                    annotations: if done { self.annotations.clone() } else { Vec::new() },
                    ..Message::default()
                };
                serde_json::to_vec(&ChatResponse { model, created_at, message, done, done_reason, logprobs, metrics })
            }
            Shape::Generate => {
                let response = text;
                serde_json::to_vec(&GenerateResponse {
                    model,
                    created_at,
                    response,
                    thinking,
                    done,
                    done_reason,
                    logprobs,
                    metrics,
                })
            }
        };
        let mut line = written.unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Of a chat; those of text completions have another shape, and Ollama none for them.
fn logprobs(found: Value) -> Vec<Logprob> {
    found.get("content").and_then(|content| Vec::deserialize(content).ok()).unwrap_or_default()
}
