//! Limits: what a key, project, tenant or model may use.

use sea_orm::entity::prelude::*;

/// The limits of one subject. What is `None` is not limited by this row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "limits")]
pub struct Model {
    /// `key`, `project`, `tenant` or `model`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// The id of the key or project, or the name of the tenant or model.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute, in and out.
    pub tpm: Option<i64>,
    /// Requests at once; further ones are refused.
    pub concurrency: Option<i64>,
    /// Tokens a day in UTC, in and out.
    pub daily_tokens: Option<i64>,
    /// Tokens a calendar month in UTC, in and out.
    pub monthly_tokens: Option<i64>,
    /// Of a model: requests at once; further ones wait their turn.
    pub parallel: Option<i64>,
    /// Of a key or tenant: `high`, `normal` or `low`, where requests wait their turn.
    pub priority: Option<String>,
    /// When it was last written, Unix seconds.
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
