//! `GET /v1/models`.

use serde::{Deserialize, Serialize};

/// A model that the key may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "model")]
pub struct Model {
    /// The name for `model` in requests; may hold `/` and `:`.
    pub id: String,
    /// Unix seconds.
    #[serde(default)]
    pub created: i64,
    /// Who runs it.
    #[serde(default)]
    pub owned_by: String,
}

/// All models of a key; this list has no cursors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "list")]
pub struct ModelList {
    /// The models.
    pub data: Vec<Model>,
}
