//! Vector stores: the knowledge bases.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// A knowledge base.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "vector_stores")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `vs_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Chosen name, may be empty.
    pub name: String,
    /// Chosen description.
    pub description: Option<String>,
    /// The client's own key-value pairs.
    pub metadata: Json,
    /// How documents are cut when they do not say it themselves.
    pub chunking: Json,
    /// Identity of the embedder that all its vectors are from.
    pub embedder: String,
    /// OpenAI's `expires_after`: `{"anchor":"last_active_at","days":n}`.
    pub expires_after: Option<Json>,
    /// When it expires, Unix seconds: follows from `expires_after` and `last_active_at`.
    pub expires_at: Option<i64>,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was last searched or changed, Unix seconds.
    pub last_active_at: i64,
    /// Changes whenever the answer of `Ledger::searchable` changes for this store.
    pub revision: i64,
    /// The highest document version given out in this store. Versions are never used twice.
    pub last_version: i64,
    /// When it was deleted, Unix seconds; readers see no such row.
    pub deleted_at: Option<i64>,
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
