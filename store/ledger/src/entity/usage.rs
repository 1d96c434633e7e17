//! Usage: one row for each finished request.

use sea_orm::entity::prelude::*;

/// What one request used.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage")]
pub struct Model {
    /// `use_…`, made by who meters with `new_id("use_")`: writing a row twice books it once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The tenant's name.
    pub tenant: String,
    /// The project it is booked on.
    pub project: String,
    /// The key that was shown.
    pub key: String,
    /// The model as the client named it.
    pub model: String,
    /// `chat`, `embedding`, `rerank`, …
    pub kind: String,
    /// Tokens in.
    pub prompt_tokens: i64,
    /// Tokens out.
    pub completion_tokens: i64,
    /// HTTP status of the answer.
    pub status: i16,
    /// From first byte in to last byte out, milliseconds.
    pub latency_ms: i64,
    /// When it ended, Unix seconds.
    pub at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
