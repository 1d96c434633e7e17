//! Usage: one row for each finished request, summed for reports and for budgets.

use kubemate_identity::TenantId;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select, Value,
    sea_query::{Alias, CaseStatement, Expr, ExprTrait},
};

use crate::{
    AuditEvent, Ledger, LedgerError, UsageRow,
    audit::append,
    entity::usage::{Column, Entity},
    often::Insert,
    text::storable,
};

/// A row that was booked before is left as it is.
const BOOK: Insert<17> = Insert {
    table: "usage",
    columns: [
        "id",
        "tenant",
        "project",
        "key",
        "model",
        "kind",
        "prompt_tokens",
        "completion_tokens",
        "status",
        "latency_ms",
        "at",
        "cost_nanos",
        "currency",
        "ttft_ms",
        "cached",
        "cached_tokens",
        "upstream",
    ],
    tail: "ON CONFLICT (\"id\") DO NOTHING",
};

fn values(row: &UsageRow) -> [Value; 17] {
    let text = |text: &String| Value::from(text.as_str());
    [
        text(&row.id),
        text(&row.tenant),
        text(&row.project),
        text(&row.key),
        // What the client wrote.
        storable(&row.model).into_owned().into(),
        text(&row.kind),
        row.prompt_tokens.into(),
        row.completion_tokens.into(),
        row.status.into(),
        row.latency_ms.into(),
        row.at.into(),
        row.cost_nanos.into(),
        text(&row.currency),
        row.ttft_ms.into(),
        row.cached.into(),
        row.cached_tokens.into(),
        text(&row.upstream),
    ]
}

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
    /// The upstream that answered.
    Upstream,
}

/// Which rows are summed: those that agree with everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this project.
    pub project: Option<String>,
    /// Of this key.
    pub key: Option<String>,
    /// Of this model.
    pub model: Option<String>,
}

impl UsageFilter {
    fn condition(&self) -> Condition {
        let equal = |column: Column, value: &Option<String>| value.as_ref().map(|value| column.eq(value.as_str()));
        Condition::all()
            .add_option(equal(Column::Project, &self.project))
            .add_option(equal(Column::Key, &self.key))
            .add_option(equal(Column::Model, &self.model))
    }
}

/// Whose tokens a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageOf<'a> {
    /// A tenant's.
    Tenant(&'a TenantId),
    /// A project's, within its tenant.
    Project(&'a TenantId, &'a str),
    /// A key's, within its tenant.
    Key(&'a TenantId, &'a str),
    /// A model's, of all tenants.
    Model(&'a str),
}

/// A sum of usage in one currency.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct UsageSum {
    /// The project, key, model, day, tenant or upstream.
    pub name: String,
    /// The currency of the cost; empty for requests without a price.
    pub currency: String,
    /// How many requests.
    pub requests: i64,
    /// How many of them ended with an error.
    pub failed: i64,
    /// How many of them the answer cache answered.
    pub cached: i64,
    /// Tokens in.
    pub prompt_tokens: i64,
    /// Tokens out.
    pub completion_tokens: i64,
    /// Tokens in that upstreams had in their prefix caches.
    pub cached_tokens: i64,
    /// The cost, in billionths of the currency's unit.
    pub cost_nanos: i64,
}

impl Ledger {
    /// Books finished requests, all in one transaction. A row that was booked before (same id) is left out,
    /// so a batch whose outcome is unknown can be sent again.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn record_usage(&self, rows: Vec<UsageRow>) -> Result<(), LedgerError> {
        self.record_calls(&rows, &[]).await
    }

    /// Books finished requests and what the audit trail says of them, all in one transaction.
    ///
    /// A batch whose outcome is unknown may be sent again: usage is booked once, the trail may then say it twice.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn record_calls(&self, rows: &[UsageRow], events: &[AuditEvent]) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        BOOK.run(&txn, rows.iter().map(values)).await?;
        if !events.is_empty() {
            append(&txn, events).await?;
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
        (from, to): (i64, i64),
        by: UsageBy,
        filter: &UsageFilter,
    ) -> Result<Vec<UsageSum>, LedgerError> {
        let own = filter.condition().add(Column::Tenant.eq(tenant.as_str()));
        self.sum(Entity::find().filter(own), (from, to), by).await
    }

    /// The usage of all tenants. For operators.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn usage_of_all(
        &self,
        (from, to): (i64, i64),
        by: UsageBy,
        filter: &UsageFilter,
    ) -> Result<Vec<UsageSum>, LedgerError> {
        self.sum(Entity::find().filter(filter.condition()), (from, to), by).await
    }

    /// The tokens, in and out, that models computed since `from` (Unix seconds): what a budget has spent.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn tokens_since(&self, of: UsageOf<'_>, from: i64) -> Result<u64, LedgerError> {
        let own = match of {
            UsageOf::Tenant(tenant) => Condition::all().add(Column::Tenant.eq(tenant.as_str())),
            UsageOf::Project(tenant, project) => {
                Condition::all().add(Column::Tenant.eq(tenant.as_str())).add(Column::Project.eq(project))
            }
            UsageOf::Key(tenant, key) => {
                Condition::all().add(Column::Tenant.eq(tenant.as_str())).add(Column::Key.eq(key))
            }
            UsageOf::Model(model) => Condition::all().add(Column::Model.eq(model)),
        };
        let rows =
            Entity::find().select_only().filter(own).filter(Column::At.gte(from)).filter(Column::Cached.eq(false));
        let tokens =
            rows.expr_as(total(Column::PromptTokens), "prompt").expr_as(total(Column::CompletionTokens), "answer");
        let sums: Option<(Option<i64>, Option<i64>)> = tokens.into_tuple().one(self.read()).await?;
        let (prompt, answer) = sums.unwrap_or_default();
        Ok(prompt.unwrap_or(0).saturating_add(answer.unwrap_or(0)).unsigned_abs())
    }

    async fn sum(
        &self,
        rows: Select<Entity>,
        (from, to): (i64, i64),
        by: UsageBy,
    ) -> Result<Vec<UsageSum>, LedgerError> {
        let sums = rows
            .select_only()
            .column_as(name(by).cast_as(Alias::new("text")), "name")
            .column(Column::Currency)
            .column_as(Column::Id.count(), "requests")
            .column_as(count_if(Column::Status.gte(400)), "failed")
            .column_as(count_if(Column::Cached.eq(true)), "cached")
            .column_as(total(Column::PromptTokens), "prompt_tokens")
            .column_as(total(Column::CompletionTokens), "completion_tokens")
            .column_as(total(Column::CachedTokens), "cached_tokens")
            .column_as(total(Column::CostNanos), "cost_nanos")
            .filter(Column::At.gte(from))
            .filter(Column::At.lt(to))
            .group_by(name(by))
            .group_by(Column::Currency)
            .order_by_asc(name(by))
            .order_by_asc(Column::Currency);
        Ok(sums.into_model::<UsageSum>().all(self.read()).await?)
    }
}

/// PostgreSQL's sum of bigints is a numeric: cast, so that both databases answer with an integer.
fn total(column: Column) -> Expr {
    Expr::col(column).sum().cast_as(Alias::new("bigint"))
}

fn count_if(condition: Expr) -> Expr {
    let one_or_none: Expr = CaseStatement::new().case(condition, 1).finally(0).into();
    one_or_none.sum().cast_as(Alias::new("bigint"))
}

/// The expression that is grouped by. The division is spelled out, because with a bound divisor PostgreSQL
/// would take the two places where it stands for different expressions.
fn name(by: UsageBy) -> Expr {
    match by {
        UsageBy::Project => Expr::col(Column::Project),
        UsageBy::Key => Expr::col(Column::Key),
        UsageBy::Model => Expr::col(Column::Model),
        UsageBy::Tenant => Expr::col(Column::Tenant),
        UsageBy::Upstream => Expr::col(Column::Upstream),
        UsageBy::Day => Expr::cust("\"at\" / 86400"),
    }
}
