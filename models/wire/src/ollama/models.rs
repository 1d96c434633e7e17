//! `/api/tags`, `/api/ps`, `/api/show`, `/api/version`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The models there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// In no particular order.
    #[serde(default)]
    pub models: Vec<ModelEntry>,
}

/// One model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Name and tag.
    pub name: String,
    /// The same again.
    #[serde(default)]
    pub model: String,
    /// RFC 3339.
    #[serde(default)]
    pub modified_at: String,
    /// Bytes on disk.
    #[serde(default)]
    pub size: u64,
    /// SHA-256, hexadecimal.
    #[serde(default)]
    pub digest: String,
    /// What it is made of.
    #[serde(default)]
    pub details: ModelDetails,
}

/// What a model is made of; empty where nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDetails {
    /// The model that it was made from.
    #[serde(default)]
    pub parent_model: String,
    /// `gguf` or `safetensors`.
    #[serde(default)]
    pub format: String,
    /// Architecture.
    #[serde(default)]
    pub family: String,
    /// Architectures, with that of the projector.
    #[serde(default)]
    pub families: Option<Vec<String>>,
    /// Such as `135M`.
    #[serde(default)]
    pub parameter_size: String,
    /// Such as `Q4_1`.
    #[serde(default)]
    pub quantization_level: String,
}

/// The models in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningList {
    /// In no particular order.
    #[serde(default)]
    pub models: Vec<Running>,
}

/// A model in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Name and tag.
    pub name: String,
    /// The same again.
    #[serde(default)]
    pub model: String,
    /// Bytes in memory.
    #[serde(default)]
    pub size: u64,
    /// SHA-256, hexadecimal.
    #[serde(default)]
    pub digest: String,
    /// What it is made of.
    #[serde(default)]
    pub details: ModelDetails,
    /// When it is let go, RFC 3339.
    #[serde(default)]
    pub expires_at: String,
    /// Bytes of it on graphics cards.
    #[serde(default)]
    pub size_vram: u64,
    /// Tokens of its context.
    #[serde(default)]
    pub context_length: u64,
}

/// What is asked about one model: `model`, or `name` as older clients say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Named {
    /// Name and tag.
    #[serde(default, alias = "name")]
    pub model: String,
}

/// A model in detail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShowResponse {
    /// Settings, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Its prompt template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What it is made of.
    #[serde(default)]
    pub details: ModelDetails,
    /// Facts under GGUF's names, such as `general.architecture` and `llama.context_length`.
    #[serde(default)]
    pub model_info: Map<String, Value>,
    /// Of `completion`, `embedding`, `tools`, `thinking`, `vision`, `insert`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<String>,
}

/// The server's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Such as `0.17.4`.
    pub version: String,
}
