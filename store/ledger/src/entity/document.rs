//! Documents: files in vector stores.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// Where a document is on its way into the index. The names are OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum DocumentStatus {
    /// Waiting for or held by a worker.
    #[sea_orm(string_value = "in_progress")]
    InProgress,
    /// Searchable.
    #[sea_orm(string_value = "completed")]
    Completed,
    /// Given up; the row says why.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Called off by the client.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

impl DocumentStatus {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A file in a vector store.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "documents")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// The vector store.
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: String,
    /// The file; also the document's id in the OpenAI API.
    #[sea_orm(primary_key, auto_increment = false)]
    pub file: String,
    /// Where it is on its way into the index.
    pub status: DocumentStatus,
    /// Why it failed: a stable code.
    pub error_code: Option<String>,
    /// Why it failed: a sentence.
    pub error_message: Option<String>,
    /// Bytes its passages take.
    pub usage_bytes: i64,
    /// How many passages it was cut into.
    pub chunks: i64,
    /// The client's attributes, which filters see.
    pub attributes: Json,
    /// How it is cut; `null`: as the store says.
    pub chunking: Json,
    /// The version that is being indexed, or was last.
    pub version: i64,
    /// The version that search may return; `None` until one is complete.
    pub searchable_version: Option<i64>,
    /// Older versions may have left passages behind.
    pub residue: bool,
    /// Progress of the running job, 0 to 100.
    pub percent: i16,
    /// What the running job is doing.
    pub stage: String,
    /// The batch it was attached with.
    pub batch: Option<String>,
    /// SHA-256 of the content that `searchable_version` was made from.
    pub content_sha256: Option<String>,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it last changed, Unix seconds.
    pub updated_at: i64,
    /// When it was detached, Unix seconds; readers see no such row.
    pub deleted_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Listed for Entity {
    const CREATED: Column = Column::CreatedAt;
    const ID: Column = Column::File;
    fn place(row: &Model) -> (i64, String) {
        (row.created_at, row.file.clone())
    }
}
