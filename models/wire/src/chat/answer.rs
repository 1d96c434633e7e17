//! A whole answer.

use serde::{Deserialize, Serialize};

use super::message::Role;
use super::tools::ToolCall;
use crate::citation::Annotation;
use crate::usage::Usage;

/// The answer to a request without `stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "chat.completion")]
pub struct ChatCompletion {
    /// `chatcmpl-…`
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// `n` choices.
    pub choices: Vec<Choice>,
    /// Token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Names the engine's build; null when there is nothing to name.
    #[serde(default)]
    pub system_fingerprint: Option<String>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// From 0.
    pub index: u32,
    /// What was said.
    pub message: AssistantMessage,
    /// Null unless asked for.
    #[serde(default)]
    pub logprobs: Option<Logprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: Role,
    /// The text; null when the model only called tools.
    #[serde(default)]
    pub content: Option<String>,
    /// What it said instead of an answer.
    #[serde(default)]
    pub refusal: Option<String>,
    /// Extension that many servers share: what a thinking model thought before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Citations; written only when there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// Written only when there are any: SDKs take an empty list for a call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

impl AssistantMessage {
    /// A turn of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let content = Some(text.into());
        Self {
            role: Role::Assistant,
            content,
            refusal: None,
            reasoning_content: None,
            annotations: Vec::new(),
            tool_calls: Vec::new(),
        }
    }
}

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done, or a stop string came.
    Stop,
    /// The token limit or the context's end was reached.
    Length,
    /// The model called tools.
    ToolCalls,
    /// A filter cut it.
    ContentFilter,
    /// The model called a function, in the interface before tools.
    FunctionCall,
}

/// Log probabilities of a choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Logprobs {
    /// Of the text's tokens.
    pub content: Option<Vec<TokenLogprob>>,
    /// Of the refusal's tokens.
    #[serde(default)]
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// A token, how likely it was, and what else could have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token as text; broken UTF-8 is replaced.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes, from which text that spans tokens can be put together.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place, likeliest first.
    #[serde(default)]
    pub top_logprobs: Vec<TopLogprob>,
}

/// A token that could have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// The token as text; broken UTF-8 is replaced.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
}
