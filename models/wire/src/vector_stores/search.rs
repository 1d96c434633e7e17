//! `POST /v1/vector_stores/{id}/search`.

use serde::{Deserialize, Serialize};

use super::files::ContentPart;
use super::filters::{Attributes, Filter};
use crate::input::Strings;

/// Find passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SearchRequest {
    /// One question or several.
    pub query: Strings,
    /// Only files whose attributes pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filter>,
    /// 1 to 50; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_num_results: Option<u32>,
    /// How results are ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking_options: Option<RankingOptions>,
    /// Whether the question may be reworded first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite_query: Option<bool>,
}

/// The published names of `ranker`; any other is refused.
pub const RANKERS: [&str; 5] = ["auto", "none", "default-2024-11-15", "default-2024-08-21", "default_2024_08_21"];

/// How results are ranked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct RankingOptions {
    /// One of [`RANKERS`]; all of them mean the ranking that this server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranker: Option<String>,
    /// 0 to 1; worse results are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_threshold: Option<f64>,
    /// How meaning and words are weighed. A weight of 0 leaves out what only that side finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hybrid_search: Option<HybridWeights>,
    /// Extension: who orders the best results once more: `none`, `own` (late interaction of the store's embedder), or
    /// the name of a model of `/v1/rerank`. As configured when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<String>,
}

/// How meaning and words are weighed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct HybridWeights {
    /// Weight of the vectors.
    pub embedding_weight: f64,
    /// Weight of the words.
    pub text_weight: f64,
}

/// Results, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "vector_store.search_results.page")]
pub struct SearchPage {
    /// What was searched for.
    pub search_query: Vec<String>,
    /// Best first.
    pub data: Vec<SearchResult>,
    /// Always false: `max_num_results` is the page.
    #[serde(default)]
    pub has_more: bool,
    /// Always null.
    #[serde(default)]
    pub next_page: Option<String>,
}

/// A passage that was found. `page` and what follows are extensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The file.
    pub file_id: String,
    /// Its name.
    pub filename: String,
    /// 0 to 1.
    pub score: f64,
    /// As the owner set them.
    #[serde(default)]
    pub attributes: Option<Attributes>,
    /// The passage.
    pub content: Vec<ContentPart>,
    /// Extension: page where it begins, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Extension: page where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_end: Option<u32>,
    /// Extension: where it begins in the stored text, in Unicode scalars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// Extension: where it ends, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// Extension: headings above it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heading: Vec<String>,
}
