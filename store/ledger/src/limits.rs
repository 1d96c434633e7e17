//! Limits of keys, projects, tenants and models, as operators set them.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Ledger, LedgerError, LimitRow,
    entity::{
        api_key, counter,
        limit::{ActiveModel, Column, Entity},
        project, tenant,
    },
};

/// The counter that changes with every change to any limit.
const REVISION: &str = "limits";

impl Ledger {
    /// All limits, by scope and subject. For the gateway itself and for operators.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn limits(&self) -> Result<Vec<LimitRow>, LedgerError> {
        Ok(Entity::find().order_by_asc(Column::Scope).order_by_asc(Column::Subject).all(self.read()).await?)
    }

    /// Sets all limits of a subject, whatever they were before.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is no such key, project or tenant. A model's name is taken as it is: it may be
    /// served later.
    pub async fn put_limit(&self, row: LimitRow) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        must_exist(&txn, &row).await?;
        let mut replace = OnConflict::columns([Column::Scope, Column::Subject]);
        replace.update_columns([
            Column::Rpm,
            Column::Tpm,
            Column::Concurrency,
            Column::DailyTokens,
            Column::MonthlyTokens,
            Column::Parallel,
            Column::Priority,
            Column::UpdatedAt,
        ]);
        Entity::insert(ActiveModel::from(row)).on_conflict(replace).exec_without_returning(&txn).await?;
        bump(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// Takes all limits off a subject.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when it has none.
    pub async fn delete_limit(&self, scope: &str, subject: &str) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        let own = Entity::delete_many().filter(Column::Scope.eq(scope)).filter(Column::Subject.eq(subject));
        if own.exec(&txn).await?.rows_affected == 0 {
            return Err(LedgerError::not_found("limit", subject));
        }
        bump(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// Changes with every change to any limit: gateways ask for it before they trust what they remember.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn limits_revision(&self) -> Result<i64, LedgerError> {
        let row = counter::Entity::find().filter(counter::Column::Name.eq(REVISION)).one(self.read()).await?;
        Ok(row.map_or(0, |row| row.value))
    }
}

async fn must_exist<C: ConnectionTrait>(db: &C, row: &LimitRow) -> Result<(), LedgerError> {
    let subject = row.subject.as_str();
    let (kind, found) = match row.scope.as_str() {
        "key" => ("key", api_key::Entity::find().filter(api_key::Column::Id.eq(subject)).one(db).await?.is_some()),
        "project" => {
            ("project", project::Entity::find().filter(project::Column::Id.eq(subject)).one(db).await?.is_some())
        }
        "tenant" => ("tenant", tenant::Entity::find().filter(tenant::Column::Id.eq(subject)).one(db).await?.is_some()),
        _ => ("model", true),
    };
    if found { Ok(()) } else { Err(LedgerError::not_found(kind, subject)) }
}

async fn bump<C: ConnectionTrait>(db: &C) -> Result<(), LedgerError> {
    let update = counter::Entity::update_many().filter(counter::Column::Name.eq(REVISION));
    update.col_expr(counter::Column::Value, Expr::col(counter::Column::Value).add(1_i64)).exec(db).await?;
    Ok(())
}
