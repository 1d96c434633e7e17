//! Usage: one row for each finished request, summed for reports.

use kubemate_identity::TenantId;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Alias, Expr, ExprTrait},
};

use crate::{
    Ledger, LedgerError, UsageRow,
    entity::usage::{ActiveModel, Column, Entity},
};

/// Rows of one INSERT: 12 columns each, and SQLite takes at most 32,766 bound values in a statement.
const INSERT_ROWS: usize = 1000;

/// What usage is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// The project it was booked on.
    Project,
    /// The key that was shown.
    Key,
    /// The model as clients named it.
    Model,
    /// The day in UTC, as days since 1970-01-01.
    Day,
    /// The tenant.
    Tenant,
}

/// A sum of usage.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct UsageSum {
    /// The project, key, model, day or tenant.
    pub name: String,
    /// How many requests.
    pub requests: i64,
    /// Tokens in.
    pub prompt_tokens: i64,
    /// Tokens out.
    pub completion_tokens: i64,
}

impl Ledger {
    /// Books finished requests, all in one transaction. A row that was booked before (same id) is left out,
    /// so a batch whose outcome is unknown can be sent again.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn record_usage(&self, rows: Vec<UsageRow>) -> Result<(), LedgerError> {
        let rows: Vec<ActiveModel> = rows.into_iter().map(ActiveModel::from).collect();
        let txn = self.begin().await?;
        for part in rows.chunks(INSERT_ROWS) {
            let insert = Entity::insert_many(part.to_vec()).on_conflict_do_nothing_on([Column::Id]);
            insert.exec_without_returning(&txn).await?;
        }
        Ok(txn.commit().await?)
    }

    /// The tenant's usage from `from` up to, not including, `to` (Unix seconds).
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn usage(
        &self,
        tenant: &TenantId,
        from: i64,
        to: i64,
        by: UsageBy,
    ) -> Result<Vec<UsageSum>, LedgerError> {
        let own = Condition::all().add(Column::Tenant.eq(tenant.as_str()));
        self.sum(Entity::find().filter(own), from, to, by).await
    }

    /// The usage of all tenants. For operators.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn usage_of_all(&self, from: i64, to: i64, by: UsageBy) -> Result<Vec<UsageSum>, LedgerError> {
        self.sum(Entity::find(), from, to, by).await
    }

    async fn sum(&self, rows: Select<Entity>, from: i64, to: i64, by: UsageBy) -> Result<Vec<UsageSum>, LedgerError> {
        // PostgreSQL's sum of bigints is a numeric: cast, so that both databases answer with an integer.
        let total = |column: Column| Expr::col(column).sum().cast_as(Alias::new("bigint"));
        let sums = rows
            .select_only()
            .column_as(name(by).cast_as(Alias::new("text")), "name")
            .column_as(Column::Id.count(), "requests")
            .column_as(total(Column::PromptTokens), "prompt_tokens")
            .column_as(total(Column::CompletionTokens), "completion_tokens")
            .filter(Column::At.gte(from))
            .filter(Column::At.lt(to))
            .group_by(name(by))
            .order_by_asc(name(by));
        Ok(sums.into_model::<UsageSum>().all(self.read()).await?)
    }
}

/// The expression that is grouped by. The division is spelled out, because with a bound divisor PostgreSQL
/// would take the two places where it stands for different expressions.
fn name(by: UsageBy) -> Expr {
    match by {
        UsageBy::Project => Expr::col(Column::Project),
        UsageBy::Key => Expr::col(Column::Key),
        UsageBy::Model => Expr::col(Column::Model),
        UsageBy::Tenant => Expr::col(Column::Tenant),
        UsageBy::Day => Expr::cust("\"at\" / 86400"),
    }
}
