//! `/v1/files`.

use serde::{Deserialize, Serialize};

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "file")]
pub struct FileObject {
    /// `file-…`
    pub id: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds, absent when the file stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The name it was uploaded under.
    pub filename: String,
    /// One of [`PURPOSES`], or what an answer was stored as.
    pub purpose: String,
    /// Deprecated upstream, still required by SDK types.
    pub status: FileState,
}

/// The purposes that an upload may name. Source: OpenAI's `FilePurpose`.
pub const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

/// State of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Bytes are being received.
    Uploaded,
    /// Stored and usable.
    Processed,
    /// Unusable.
    Error,
}

/// `expires_after` of an upload: seconds after `created_at`, 3,600 to 2,592,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "anchor", rename = "created_at")]
pub struct FileExpiry {
    /// Seconds until the file is deleted.
    pub seconds: u64,
}
