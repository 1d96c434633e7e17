//! `POST /api/generate`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KeepAlive, Logprob, Metrics, Options, Think};

/// A prompt to be answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct GenerateRequest {
    /// The model, with or without its tag.
    pub model: String,
    /// The prompt; empty to load or unload the model.
    #[serde(default, deserialize_with = "super::or_nothing")]
    pub prompt: String,
    /// Text after the gap, for models that fill in the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A prompt template of the client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Token ids of an earlier answer; out of date, `/api/chat` took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Vec<i64>>,
    /// A stream unless `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Whether the prompt is continued as it is, without the model's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// `"json"`, or a JSON Schema; an empty string is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// See [`KeepAlive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// Pictures in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// See [`Options`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
    /// See [`Think`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// Whether log probabilities are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many alternatives a token, up to 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
}

/// A line of a stream, or a whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerateResponse {
    /// As asked for.
    #[serde(default)]
    pub model: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// What is new, or all of it.
    #[serde(default)]
    pub response: String,
    /// What the model thought before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Whether this is the end.
    #[serde(default)]
    pub done: bool,
    /// `stop`, `length`, `load` or `unload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_reason: Option<String>,
    /// Of the tokens in this piece, where asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprob>,
    /// At the end.
    #[serde(flatten)]
    pub metrics: Metrics,
}
