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
    /// When it came in, Unix seconds.
    pub at: i64,
    /// What it cost, in billionths of the currency's unit.
    pub cost_nanos: i64,
    /// The currency of the cost, such as `USD`; empty where the model has no price.
    pub currency: String,
    /// From first byte in to the first token out, milliseconds; `None` when no token came.
    pub ttft_ms: Option<i64>,
    /// Whether the answer came from the answer cache, so that no model computed it.
    pub cached: bool,
    /// Tokens of the prompt that the upstream had in its own prefix cache.
    pub cached_tokens: i64,
    /// The upstream that answered, `local` for this machine; empty when none did.
    pub upstream: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
