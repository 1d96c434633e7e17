//! Saved assistants, which appear as models.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// A saved assistant: a model with instructions and knowledge bases, listed as a model of its own.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "assistants")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `asst_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The model name it answers to, unique in the tenant.
    pub name: String,
    /// The model behind it.
    pub model: String,
    /// What it is told first.
    pub instructions: String,
    /// A JSON array of vector store ids of the same tenant.
    pub store_ids: Json,
    /// Further settings, free-form.
    pub settings: Json,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it last changed, Unix seconds.
    pub updated_at: i64,
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
