//! Stored answers of the responses API.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// A stored response.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "responses")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `resp_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The project it was made for.
    pub project: String,
    /// The response object as it was sent.
    pub body: Json,
    /// The input items, a JSON array.
    pub input: Json,
    /// When it was made, Unix seconds.
    pub created_at: i64,
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
