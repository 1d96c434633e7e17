//! `POST /api/pull` and `POST /api/create`, which report as they go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Options;

/// A model to be fetched from Ollama's library, or from a registry named in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct PullRequest {
    /// Name and tag.
    pub model: String,
    /// Whether a registry may be asked without encryption: one on this machine, or inside a closed network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// A stream unless `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

/// A model to be made of files that were sent before, or of a model that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CreateRequest {
    /// Name and tag.
    pub model: String,
    /// A model that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// File name to the digest under which it was sent, such as `sha256:…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// A prompt template in place of the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Settings that hold where a request says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Options>,
    /// A stream unless `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

/// A line of the report; the last one of a success says `success`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    #[serde(default)]
    pub status: String,
    /// The layer in work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Bytes of it that are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Why it failed; nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
