//! `POST /api/embed`, and the older `POST /api/embeddings`.

use serde::{Deserialize, Serialize};

use super::{KeepAlive, Options};
use crate::input::Strings;

/// Texts to be turned into vectors of length 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct EmbedRequest {
    /// The model, with or without its tag.
    pub model: String,
    /// One text or several.
    pub input: Strings,
    /// Whether a text that is too long is cut; `true` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncate: Option<bool>,
    /// Length of the vectors, for models that can be cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// See [`KeepAlive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// See [`Options`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
}

/// Vectors in the order of the texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbedResponse {
    /// As asked for.
    #[serde(default)]
    pub model: String,
    /// One a text.
    #[serde(default)]
    pub embeddings: Vec<Vec<f32>>,
    /// From the request to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_duration: Option<u64>,
    /// Until the model was in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_duration: Option<u64>,
    /// Tokens of all texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_eval_count: Option<u64>,
}

/// The older request: one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct EmbeddingRequest {
    /// The model, with or without its tag.
    pub model: String,
    /// The text.
    #[serde(default)]
    pub prompt: String,
    /// See [`KeepAlive`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// See [`Options`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
}

/// The older answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingResponse {
    /// The vector.
    pub embedding: Vec<f32>,
}
