//! `/v1/vector_stores`: knowledge bases, their files, and search.

mod batches;
mod files;
mod filters;
mod search;

use serde::{Deserialize, Serialize};

pub use batches::{BatchFile, CreateFileBatch, FileBatch};
pub use files::{AttachFile, ChunkingStrategy, ContentPage, ContentPart, FileStatus, LastError, LastErrorCode};
pub use files::{Progress, StaticChunking, UpdateFile, VectorStoreFile};
pub use filters::{Attribute, Attributes, Comparison, Compound, CompoundKind, Filter, OperandValue, Operator};
pub use search::{HybridWeights, RANKERS, RankingOptions, SearchPage, SearchRequest, SearchResult};

use crate::Metadata;
use crate::null::present;

/// A knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "vector_store")]
pub struct VectorStore {
    /// `vs_…`
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Empty when none was given: SDK types want a string.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Bytes of indexed files.
    pub usage_bytes: u64,
    /// Its files by status.
    pub file_counts: FileCounts,
    /// `completed` when no file is in progress.
    pub status: StoreStatus,
    /// When it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<ExpiresAfter>,
    /// Unix seconds; null when it stays.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Unix seconds of the last search or change.
    #[serde(default)]
    pub last_active_at: Option<i64>,
    /// As the owner set it.
    #[serde(default)]
    pub metadata: Option<Metadata>,
}

/// Files of a store or batch by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    /// Waiting or being indexed.
    pub in_progress: u64,
    /// Searchable.
    pub completed: u64,
    /// Could not be indexed.
    pub failed: u64,
    /// Cancelled before they were searchable.
    pub cancelled: u64,
    /// All of them.
    pub total: u64,
}

/// State of a knowledge base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreStatus {
    /// Past its `expires_at`.
    Expired,
    /// Some file is being indexed.
    InProgress,
    /// No file is being indexed.
    Completed,
}

/// Deletes a store some days after it was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ExpiresAfter {
    /// From when days are counted.
    pub anchor: Anchor,
    /// 1 to 365.
    pub days: u32,
}

/// From when days are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The last search or change.
    #[default]
    LastActiveAt,
}

/// Make a knowledge base.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CreateVectorStore {
    /// Shown in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Files to attach at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_ids: Option<Vec<String>>,
    /// How those files are cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking_strategy: Option<ChunkingStrategy>,
    /// When it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<ExpiresAfter>,
    /// Up to 16 pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Extension: the embedding model; the configured default when absent. It never changes afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
}

/// Change a knowledge base. Absent fields stay, null clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct UpdateVectorStore {
    /// The new name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The new expiry.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<Option<ExpiresAfter>>,
    /// The new metadata, as a whole.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Option<Metadata>>,
}
