//! Upstreams and models that were added while the process ran.

use sea_orm::entity::prelude::*;

/// An upstream or a model.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "routes")]
pub struct Model {
    /// `upstream` or `model`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// Its name, unique in its kind.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What is configured of it, as JSON; secrets only by reference.
    pub spec: String,
    /// When it was last written, Unix seconds.
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
