//! Ollama's lines as OpenAI's events.

use std::collections::VecDeque;

use bytes::Bytes;
use kubemate_wire::{
    chat::{Chunks, FinishReason, FunctionCallDelta, StreamUsage, ToolCallDelta},
    completions::{Completion, CompletionChoice},
    error::ErrorBody,
    ollama::{ChatResponse, GenerateResponse, OllamaError, ToolCall},
    usage::Usage,
};
use serde::Serialize;

use super::{
    Lines, Reading, Shape,
    answer::{self, new_id},
};
use crate::app::unix_now;

/// The end of a chat or completion stream.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes one stream; bytes go in as they come, whole events come out.
#[derive(Debug)]
pub(super) struct Events {
    lines: Lines,
    writer: Writer,
    ready: VecDeque<Bytes>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Ended,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("the stream ended before its end")]
    Cut,
    #[error("the stream holds a line that is not Ollama's")]
    Foreign,
}

impl Events {
    pub(super) fn new(reading: Reading) -> Self {
        let writer = match reading.shape {
            Shape::Text => Writer::Text(TextWriter::new(reading)),
            Shape::Chat | Shape::Embeddings { .. } => Writer::Chat(ChatWriter::new(reading)),
        };
        Self { lines: Lines::default(), writer, ready: VecDeque::new(), state: State::Running }
    }

    /// The next event that is whole.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Whether the answer is over; what follows is not read.
    pub(super) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// More of the upstream's bytes.
    pub(super) fn feed(&mut self, data: &[u8]) -> Result<(), Broken> {
        if self.ended() {
            return Ok(());
        }
        self.lines.feed(data).map_err(|_| Broken::Foreign)?;
        while let Some(line) = self.lines.next().filter(|_| !self.ended()) {
            self.read(&line)?;
        }
        Ok(())
    }

    /// The upstream has nothing more to say; its last line may lack an end.
    pub(super) fn finish(&mut self) -> Result<(), Broken> {
        if let Some(line) = self.lines.rest().filter(|_| !self.ended()) {
            self.read(&line)?;
        }
        if self.ended() { Ok(()) } else { Err(Broken::Cut) }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Broken> {
        if let Ok(failure) = serde_json::from_slice::<OllamaError>(line) {
            self.ready.push_back(event(&ErrorBody::new("upstream_error", failure.error).code("upstream_error")));
            self.state = State::Ended;
            return Ok(());
        }
        let done = match &mut self.writer {
            Writer::Chat(writer) => {
                writer.write(serde_json::from_slice(line).map_err(|_| Broken::Foreign)?, &mut self.ready)
            }
            Writer::Text(writer) => {
                writer.write(serde_json::from_slice(line).map_err(|_| Broken::Foreign)?, &mut self.ready)
            }
        };
        if done {
            self.ready.push_back(Bytes::from_static(DONE));
            self.state = State::Ended;
        }
        Ok(())
    }
}

fn event(value: &impl Serialize) -> Bytes {
    let mut event = b"data: ".to_vec();
    if let Err(error) = serde_json::to_writer(&mut event, value) {
        tracing::error!(error = %error, "an event cannot be written");
    }
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[derive(Debug)]
enum Writer {
    Chat(ChatWriter),
    Text(TextWriter),
}

#[derive(Debug)]
struct ChatWriter {
    chunks: Chunks,
    logprobs: bool,
    begun: bool,
    /// Tools called so far: numbers run through the whole answer.
    calls: u32,
}

impl ChatWriter {
    fn new(reading: Reading) -> Self {
        let chunks = Chunks::new(new_id("chatcmpl-"), unix_now(), reading.model, Some(reading.counts));
        Self { chunks, logprobs: reading.logprobs, begun: false, calls: 0 }
    }

    /// Writes a line; true when it was the last one.
    fn write(&mut self, line: ChatResponse, out: &mut VecDeque<Bytes>) -> bool {
        if !self.begun {
            self.begun = true;
            out.push_back(event(&self.chunks.role(0)));
        }
        let ChatResponse { message, done, done_reason, logprobs, metrics, .. } = line;
        if let Some(thinking) = message.thinking.filter(|text| !text.is_empty()) {
            out.push_back(event(&self.chunks.reasoning(0, thinking)));
        }
        if !message.content.is_empty() || self.logprobs && !logprobs.is_empty() {
            let logprobs = self.logprobs.then(|| answer::logprobs(logprobs));
            out.push_back(event(&self.chunks.text(0, message.content, logprobs)));
        }
        for call in message.tool_calls.unwrap_or_default() {
            self.call(call, out);
        }
        if done {
            out.push_back(event(&self.chunks.finish(0, answer::finish(done_reason.as_deref(), self.calls > 0))));
            out.extend(self.chunks.total(answer::usage(&metrics)).map(|total| event(&total)));
        }
        done
    }

    /// A whole call as the two pieces that clients put together: who is called, then with what.
    fn call(&mut self, call: ToolCall, out: &mut VecDeque<Bytes>) {
        let call = answer::call(call);
        let index = self.calls;
        self.calls += 1;
        let function = FunctionCallDelta { name: Some(call.function.name), arguments: Some(String::new()) };
        let first = ToolCallDelta { index, id: Some(call.id), kind: Some(call.kind), function: Some(function) };
        let function = FunctionCallDelta { name: None, arguments: Some(call.function.arguments) };
        let second = ToolCallDelta { index, function: Some(function), ..ToolCallDelta::default() };
        out.extend([first, second].map(|piece| event(&self.chunks.tool_call(0, piece))));
    }
}

#[derive(Debug)]
struct TextWriter {
    id: String,
    created: i64,
    model: String,
    counts: bool,
}

impl TextWriter {
    fn new(reading: Reading) -> Self {
        Self { id: new_id("cmpl-"), created: unix_now(), model: reading.model, counts: reading.counts }
    }

    fn write(&mut self, line: GenerateResponse, out: &mut VecDeque<Bytes>) -> bool {
        if !line.response.is_empty() {
            out.push_back(event(&self.piece(line.response, None)));
        }
        if line.done {
            let reason = answer::finish(line.done_reason.as_deref(), false);
            out.push_back(event(&self.piece(String::new(), Some(reason))));
            if self.counts {
                out.push_back(event(&self.total(answer::usage(&line.metrics))));
            }
        }
        line.done
    }

    fn piece(&self, text: String, finish_reason: Option<FinishReason>) -> Completion {
        self.chunk(vec![CompletionChoice { index: 0, text, logprobs: None, finish_reason }])
    }

    fn total(&self, usage: Usage) -> Completion {
        Completion { usage: StreamUsage::Total(usage), ..self.chunk(Vec::new()) }
    }

    fn chunk(&self, choices: Vec<CompletionChoice>) -> Completion {
        let usage = if self.counts { StreamUsage::Pending } else { StreamUsage::Unasked };
        Completion { id: self.id.clone(), created: self.created, model: self.model.clone(), choices, usage }
    }
}

#[cfg(test)]
mod tests;
