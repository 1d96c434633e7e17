//! Whole answers in OpenAI's shape.

use bytes::Bytes;
use kubemate_wire::{
    chat::{
        self, AssistantMessage, ChatCompletion, Choice, FinishReason, FunctionCall, Logprobs, TokenLogprob, ToolCall,
        ToolKind, TopLogprob,
    },
    completions::{Completion, CompletionChoice},
    embeddings::{Embedding, EmbeddingsResponse, EncodingFormat, Vector},
    ollama::{ChatResponse, EmbedResponse, GenerateResponse, Logprob, Metrics},
    usage::{InputUsage, Usage},
};

use super::{Reading, Shape};
use crate::app::unix_now;

/// The body of an answer, rewritten.
///
/// # Errors
/// When it is not what Ollama answers.
pub(super) fn whole(reading: &Reading, body: &[u8]) -> serde_json::Result<Bytes> {
    let written = match reading.shape {
        Shape::Chat => serde_json::to_vec(&chat(reading, serde_json::from_slice(body)?)),
        Shape::Text => serde_json::to_vec(&text(reading, serde_json::from_slice(body)?)),
        Shape::Embeddings { base64 } => serde_json::to_vec(&embeddings(reading, base64, serde_json::from_slice(body)?)),
    };
    written.map(Bytes::from)
}

/// A new id such as `chatcmpl-…`: Ollama gives none.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::now_v7().simple())
}

fn chat(reading: &Reading, answer: ChatResponse) -> ChatCompletion {
    let calls: Vec<ToolCall> = answer.message.tool_calls.unwrap_or_default().into_iter().map(call).collect();
    let finish_reason = finish(answer.done_reason.as_deref(), !calls.is_empty());
    let content = Some(answer.message.content).filter(|text| !text.is_empty() || calls.is_empty());
    let message = AssistantMessage {
        content,
        reasoning_content: answer.message.thinking.filter(|text| !text.is_empty()),
        tool_calls: calls,
        ..AssistantMessage::text("")
    };
    let logprobs = reading.logprobs.then(|| logprobs(answer.logprobs));
    ChatCompletion {
        id: new_id("chatcmpl-"),
        created: unix_now(),
        model: reading.model.clone(),
        choices: vec![Choice { index: 0, message, logprobs, finish_reason }],
        usage: Some(usage(&answer.metrics)),
        system_fingerprint: None,
    }
}

fn text(reading: &Reading, answer: GenerateResponse) -> Completion {
    let finish_reason = Some(finish(answer.done_reason.as_deref(), false));
    let choice = CompletionChoice { index: 0, text: answer.response, logprobs: None, finish_reason };
    Completion::whole(new_id("cmpl-"), unix_now(), reading.model.clone(), vec![choice], usage(&answer.metrics))
}

fn embeddings(reading: &Reading, base64: bool, answer: EmbedResponse) -> EmbeddingsResponse {
    let format = if base64 { EncodingFormat::Base64 } else { EncodingFormat::Float };
    let vectors = answer.embeddings.into_iter().enumerate();
    EmbeddingsResponse {
        data: vectors.map(|(index, values)| Embedding { index, embedding: Vector::new(values, format) }).collect(),
        model: reading.model.clone(),
        usage: InputUsage::new(answer.prompt_eval_count.unwrap_or(0)),
    }
}

/// A call in OpenAI's shape: with an id, its arguments as text.
pub(super) fn call(call: kubemate_wire::ollama::ToolCall) -> ToolCall {
    let arguments = serde_json::Value::Object(call.function.arguments).to_string();
    ToolCall {
        id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| new_id("call_")),
        kind: ToolKind::Function,
        function: FunctionCall { name: call.function.name, arguments },
    }
}

pub(super) fn usage(metrics: &Metrics) -> Usage {
    Usage::new(metrics.prompt_eval_count.unwrap_or(0), metrics.eval_count.unwrap_or(0))
}

/// Ollama says `stop` where tools were called.
pub(super) fn finish(reason: Option<&str>, called: bool) -> FinishReason {
    match (reason, called) {
        (Some("length"), _) => FinishReason::Length,
        (_, true) => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

pub(super) fn logprobs(tokens: Vec<Logprob>) -> Logprobs {
    let top = |one: Logprob| TopLogprob { token: one.token, logprob: one.logprob, bytes: one.bytes };
    let one = |token: Logprob| TokenLogprob {
        token: token.token,
        logprob: token.logprob,
        bytes: token.bytes,
        top_logprobs: token.top_logprobs.into_iter().map(top).collect(),
    };
    chat::Logprobs { content: Some(tokens.into_iter().map(one).collect()), refusal: None }
}

#[cfg(test)]
mod tests;
