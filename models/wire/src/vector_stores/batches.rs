//! Many files attached at once.

use serde::{Deserialize, Serialize};

use super::FileCounts;
use super::files::{ChunkingStrategy, FileStatus};
use super::filters::Attributes;

/// Attach many files: `file_ids` with common settings, or `files` with their own, not both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CreateFileBatch {
    /// Up to 2,000 uploaded files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_ids: Option<Vec<String>>,
    /// Up to 2,000 uploaded files, each with its own settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<BatchFile>>,
    /// For all of `file_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    /// For all of `file_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking_strategy: Option<ChunkingStrategy>,
}

/// One file of a batch: the same fields as when it is attached alone.
pub type BatchFile = super::files::AttachFile;

/// A batch and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "vector_store.files_batch")]
pub struct FileBatch {
    /// `vsfb_…`
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// The knowledge base.
    pub vector_store_id: String,
    /// `completed` when no file is in progress, whatever became of them.
    pub status: FileStatus,
    /// Its files by status.
    pub file_counts: FileCounts,
}
