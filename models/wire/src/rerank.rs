//! `POST /v1/rerank`, as Jina and Cohere shape it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::usage::InputUsage;

/// Order documents by how well they answer a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RerankRequest {
    /// The reranking model.
    pub model: String,
    /// The question.
    pub query: String,
    /// What is ordered.
    pub documents: Vec<RerankDocument>,
    /// How many results; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n: Option<usize>,
    /// Whether results repeat the text; false when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_documents: Option<bool>,
    /// Fields that an upstream may know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A document of a rerank request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an object with `text`")]
pub enum RerankDocument {
    /// `"text"`
    Text(String),
    /// `{"text": "…"}`
    Object {
        /// The text.
        text: String,
    },
}

impl RerankDocument {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

/// Documents, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "list")]
pub struct RerankResponse {
    /// Id of this answer.
    pub id: String,
    /// The model that ordered them.
    pub model: String,
    /// Best first.
    pub results: Vec<RerankResult>,
    /// Tokens of query and documents.
    pub usage: InputUsage,
}

/// One ordered document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RerankResult {
    /// Place of the document in the request.
    pub index: usize,
    /// Higher is better; comparable within one answer.
    pub relevance_score: f64,
    /// The text, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<RerankText>,
}

/// The text of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RerankText {
    /// As it was sent.
    pub text: String,
}
