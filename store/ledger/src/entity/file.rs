//! Uploaded files.

use sea_orm::entity::prelude::*;

use crate::page::Listed;

/// An uploaded file. Its bytes are in the object store; a file never changes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "files")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `file-…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The project it was uploaded for.
    pub project: String,
    /// The name the client gave it.
    pub filename: String,
    /// The media type the client named.
    pub media_type: Option<String>,
    /// Length in bytes.
    pub bytes: i64,
    /// SHA-256 of the bytes, lowercase hex.
    pub sha256: String,
    /// OpenAI's purpose, such as `assistants`.
    pub purpose: String,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it is to be deleted, Unix seconds.
    pub expires_at: Option<i64>,
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
