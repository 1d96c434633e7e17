//! The two ends of the audit chain.

use sea_orm::entity::prelude::*;

/// `head`: the newest link. `base`: the newest link that was trimmed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_marks")]
pub struct Model {
    /// `head` or `base`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Position of the link; 0: none.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
