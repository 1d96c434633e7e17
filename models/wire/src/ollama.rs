//! Ollama's own API, as its server 0.17 reads and writes it.
//!
//! Both sides of it: the gateway speaks to Ollama servers and is spoken to by Ollama's clients. Ollama leaves unknown fields
//! aside, so nothing is kept that is not named here. Durations are nanoseconds, times are RFC 3339.

mod chat;
mod embed;
mod generate;
mod manage;
mod models;

pub use chat::{ChatRequest, ChatResponse, Message, ToolCall, ToolCallFunction};
pub use embed::{EmbedRequest, EmbedResponse, EmbeddingRequest, EmbeddingResponse};
pub use generate::{GenerateRequest, GenerateResponse};
pub use manage::{CreateRequest, Progress, PullRequest};
pub use models::{ModelDetails, ModelEntry, Named, Running, RunningList, ShowResponse, Tags, Version};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Settings of a model under Ollama's names: `temperature`, `num_ctx`, `num_predict` and about twenty more.
pub type Options = Map<String, Value>;

/// How long a model stays in memory after the request: a duration such as `"5m"`, or seconds; 0 unloads it at once, a
/// negative one keeps it.
pub type KeepAlive = Value;

/// Whether and how much a model thinks before it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Think {
    /// On or off.
    Switch(bool),
    /// `low`, `medium` or `high`; only the gpt-oss family takes it.
    Level(String),
}

/// What a request cost; on the last line of a stream and on a whole answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// From the request to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_duration: Option<u64>,
    /// Until the model was in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_duration: Option<u64>,
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_eval_count: Option<u64>,
    /// Until the prompt was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_eval_duration: Option<u64>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_count: Option<u64>,
    /// From the first token to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_duration: Option<u64>,
}

/// How likely a token was, and what else could have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logprob {
    /// The token as text; broken UTF-8 is replaced.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_logprobs: Vec<Logprob>,
}

/// Go's reader takes null for a field's empty value, and clients rely on it.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The one error shape: the body of a refusal, and the last line of a stream that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OllamaError {
    /// For people.
    pub error: String,
}
