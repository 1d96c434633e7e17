//! API keys, as hashes.

use sea_orm::entity::prelude::*;

/// An API key. Not public: see `KeyRow`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// `key_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The tenant's name.
    pub tenant: String,
    /// The project that usage is booked on.
    pub project: String,
    /// Chosen name.
    pub name: String,
    /// SHA-256 of the key in hex, unique.
    pub hash: String,
    /// Start of the key, for display.
    pub display: String,
    /// `Rights` as JSON.
    pub rights: Json,
    /// The key that made this one. `None`: the instance's admin key.
    pub maker: Option<String>,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was revoked, Unix seconds.
    pub revoked_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
