//! Files of a knowledge base.

use serde::{Deserialize, Serialize};

use super::filters::Attributes;

/// Attach an uploaded file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct AttachFile {
    /// The uploaded file.
    pub file_id: String,
    /// For filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// How it is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking_strategy: Option<ChunkingStrategy>,
}

/// Replace the attributes of an attached file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct UpdateFile {
    /// The new attributes as a whole; null clears them.
    pub attributes: Option<Attributes>,
}

/// A file in a knowledge base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "vector_store.file")]
pub struct VectorStoreFile {
    /// The file's own id, `file-…`.
    pub id: String,
    /// Unix seconds when it was attached.
    pub created_at: i64,
    /// The knowledge base.
    pub vector_store_id: String,
    /// How far it is.
    pub status: FileStatus,
    /// Why it failed.
    #[serde(default)]
    pub last_error: Option<LastError>,
    /// Bytes in the index.
    pub usage_bytes: u64,
    /// For filters.
    #[serde(default)]
    pub attributes: Option<Attributes>,
    /// How it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking_strategy: Option<ChunkingStrategy>,
    /// Extension: how far indexing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far indexing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// `parse`, `chunk`, `embed`, …
    pub stage: String,
}

/// State of a file in a knowledge base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// Waiting or being indexed.
    InProgress,
    /// Searchable.
    Completed,
    /// See `last_error`.
    Failed,
    /// Cancelled before it was searchable.
    Cancelled,
}

/// Why a file failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// One of the three published codes.
    pub code: LastErrorCode,
    /// For people.
    pub message: String,
    /// Extension: our finer code, such as `encrypted_file` or `too_large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The published codes of `last_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastErrorCode {
    /// Ours: try again.
    ServerError,
    /// No reader for this format.
    UnsupportedFile,
    /// Broken, encrypted, empty or too large.
    InvalidFile,
}

/// How a file is cut into passages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", expecting = "a JSON object with a `type`")]
pub enum ChunkingStrategy {
    /// As configured; requests only.
    Auto,
    /// With these sizes.
    Static {
        /// The sizes.
        #[serde(rename = "static")]
        sizes: StaticChunking,
    },
    /// Answers only: attached before sizes were recorded.
    Other,
}

/// Sizes in tokens of the embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct StaticChunking {
    /// 100 to 4,096; 800 by default upstream.
    pub max_chunk_size_tokens: u32,
    /// At most half of the size; 400 by default upstream.
    pub chunk_overlap_tokens: u32,
}

/// `GET /v1/vector_stores/{id}/files/{file}/content`: the stored text that citations point into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "vector_store.file_content.page")]
pub struct ContentPage {
    /// The text, in one part.
    pub data: Vec<ContentPart>,
    /// Always false: the text comes whole.
    #[serde(default)]
    pub has_more: bool,
    /// Always null.
    #[serde(default)]
    pub next_page: Option<String>,
}

/// Text of a file or of a search result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "text")]
pub struct ContentPart {
    /// The text.
    pub text: String,
}
