//! Projects: what keys and usage are booked on.

use sea_orm::entity::prelude::*;

/// A project of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "projects")]
pub struct Model {
    /// The tenant's name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// `proj_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Chosen name, unique in the tenant.
    pub name: String,
    /// When it was made, Unix seconds.
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
