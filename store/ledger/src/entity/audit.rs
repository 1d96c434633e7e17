//! The audit chain.

use sea_orm::entity::prelude::*;

/// One link of the chain. Not public: see `AuditRow`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// Position, from 1, without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// The tenant it is about; `None`: the instance.
    pub tenant: Option<String>,
    /// Who acted.
    pub actor: String,
    /// What was done, such as `key.create`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// `ok`, `denied` or `failed`.
    pub outcome: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Further facts as canonical JSON text, exactly as it was hashed.
    pub detail: String,
    /// SHA-256 in hex over the previous hash and this row.
    pub hash: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
