//! Annotations: which passage of which file supports a place in an answer.

use serde::{Deserialize, Serialize};

/// A note on a place in an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Annotation {
    /// A passage of an uploaded file.
    FileCitation(FileCitation),
    /// A page of the web, forwarded from upstreams that search it.
    UrlCitation(serde_json::Map<String, serde_json::Value>),
}

/// OpenAI's `file_citation`, and where exactly in the file.
///
/// `index`, `file_id` and `filename` are published; the rest are extensions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCitation {
    /// Place in the answer, in Unicode scalars: the cited words end here.
    pub index: u64,
    /// The file.
    pub file_id: String,
    /// Its name when it was uploaded.
    pub filename: String,
    /// Extension: page of the quote, from 1; absent for formats without pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Extension: page on which the quote ends, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_end: Option<u32>,
    /// Extension: where the quote begins in the file's stored text, in Unicode scalars.
    #[serde(default)]
    pub start: u64,
    /// Extension: where it ends, exclusive.
    #[serde(default)]
    pub end: u64,
    /// Extension: the stored text from `start` to `end`.
    #[serde(default)]
    pub quote: String,
    /// Extension: the vector store through which the file was found; its content call shows the stored text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_store_id: Option<String>,
}

/// Extension of chat requests: how citations are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(expecting = "a JSON object")]
pub struct CitationOptions {
    /// Whether annotations are made at all; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Share of a sentence's words that a passage must hold to support it when the model wrote no mark, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_overlap: Option<f64>,
}
