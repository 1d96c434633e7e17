//! Tenants.

use sea_orm::entity::prelude::*;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    /// Its chosen name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was deleted, Unix seconds. A name is not given out again.
    pub deleted_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
