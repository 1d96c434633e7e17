//! `POST /v1/completions`, the legacy text completion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{FinishReason, StreamOptions};
use crate::input::{Input, Strings};
use crate::usage::Usage;

/// Continue one or more prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CompletionRequest {
    /// The model.
    pub model: String,
    /// Texts or token ids; absent or null is an empty text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Input>,
    /// Tokens to generate; 16 when absent, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Choices a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Candidates a prompt, of which the best `n` are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// Whether server-sent events are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Options of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// How many alternatives a token, up to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
    /// Whether the prompt is repeated before the completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// Text after the gap, for models that fill in the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Up to 4 strings that end the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Strings>,
    /// Same seed, same text, as far as the engine can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Token id to bias, -100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// The end user, for abuse reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Extension: only the `top_k` likeliest tokens are drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Extension: above 1, tokens that were seen become less likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Fields that an upstream may know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A text completion, whole or one piece of a stream: both have this shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "text_completion")]
pub struct Completion {
    /// `cmpl-…`, the same in all pieces of a stream.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The model that answered.
    pub model: String,
    /// The choices, or their next piece.
    pub choices: Vec<CompletionChoice>,
    /// Token counts: always on a whole answer; in a stream see [`crate::chat::StreamUsage`].
    #[serde(default, skip_serializing_if = "crate::chat::StreamUsage::is_unasked")]
    pub usage: crate::chat::StreamUsage,
}

/// One choice of a text completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoice {
    /// Prompt number times `n` plus choice number.
    pub index: u32,
    /// The text, or its next piece.
    pub text: String,
    /// Null unless asked for.
    #[serde(default)]
    pub logprobs: Option<CompletionLogprobs>,
    /// Null until the choice has ended.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
}

/// Four columns, one row a token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionLogprobs {
    /// Where each token begins, in characters of the text.
    pub text_offset: Vec<u64>,
    /// Log probability of each token; null for the first token of an echoed prompt.
    pub token_logprobs: Vec<Option<f64>>,
    /// The tokens.
    pub tokens: Vec<String>,
    /// Alternatives of each token.
    pub top_logprobs: Vec<Option<BTreeMap<String, f64>>>,
}

impl CompletionRequest {
    /// Whether the answer is a stream.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }
}

impl Completion {
    /// A whole answer.
    #[must_use]
    pub fn whole(id: String, created: i64, model: String, choices: Vec<CompletionChoice>, usage: Usage) -> Self {
        Self { id, created, model, choices, usage: crate::chat::StreamUsage::Total(usage) }
    }
}
