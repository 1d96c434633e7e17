//! `POST /api/chat`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{KeepAlive, Logprob, Metrics, Options, Think};
use crate::citation::Annotation;

/// A conversation to be continued.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ChatRequest {
    /// The model, with or without its tag.
    pub model: String,
    /// The conversation, oldest first; empty to load or unload the model.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// A stream unless `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// `"json"`, or a JSON Schema; an empty string is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Value>,
    /// See [`KeepAlive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// Functions that the model may call, in OpenAI's shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
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

/// One turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`, in any case.
    pub role: String,
    /// What is said; null is nothing.
    #[serde(default, deserialize_with = "super::or_nothing")]
    pub content: String,
    /// What the model thought before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Pictures in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Assistant: the tools it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Tool: whose result this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// Tool: the call whose result this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Extension: what an answer from documents is drawn from, on its last line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// A call that the model made; whole, never in pieces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ToolCall {
    /// Names the call; older servers give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is called.
    pub function: ToolCallFunction,
}

/// Which function with which arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ToolCallFunction {
    /// Place among the calls of this answer.
    #[serde(default)]
    pub index: u32,
    /// The function.
    pub name: String,
    /// An object, unlike OpenAI's text.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A line of a stream, or a whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// As asked for.
    #[serde(default)]
    pub model: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// What is new, or all of it.
    #[serde(default)]
    pub message: Message,
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
