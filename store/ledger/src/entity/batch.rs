//! Batches: documents attached by one call.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// Documents that were attached together.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "file_batches")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `vsfb_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The vector store.
    pub store: String,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was cancelled, Unix seconds.
    pub cancelled_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Listed for Entity {
    const CREATED: Column = Column::CreatedAt;
    const ID: Column = Column::Id;
    fn place(row: &Model) -> (i64, String) {
        (row.created_at, row.id.clone())
    }
}
