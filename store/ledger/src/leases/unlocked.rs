//! Taking a job where many processes take jobs at once.

use sea_orm::{
    Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, LockBehavior, LockType, SelectStatement},
};

use super::{due, expired};
use crate::{
    JobRow, JobState, Ledger, LedgerError,
    entity::job::{Column, Entity},
};

impl Ledger {
    /// Takes the next job that nobody else is just taking, in one statement: who comes second passes over the row instead
    /// of waiting for it.
    pub(super) async fn take_unlocked(
        &self,
        worker: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<Option<JobRow>, LedgerError> {
        for (which, oldest) in [(expired(now_ms), Column::LeaseUntilMs), (due(now_ms), Column::NotBeforeMs)] {
            let update = Entity::update_many()
                .filter(Expr::col(Column::Id).eq(Expr::SubQuery(None, Box::new(next(which, oldest).into()))))
                .col_expr(Column::State, Expr::value(JobState::Running))
                .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1_i32))
                .col_expr(Column::Lease, Expr::col(Column::Lease).add(1_i64))
                .col_expr(Column::Worker, Expr::value(worker))
                .col_expr(Column::LeaseUntilMs, Expr::value(until_ms));
            if let Some(taken) = update.exec_with_returning(self.write()).await?.pop() {
                return taken.try_into().map(Some);
            }
        }
        Ok(None)
    }
}

/// The id of the oldest such job that no other transaction holds. Compared with `=`, it is asked for once.
fn next(which: Condition, oldest: Column) -> SelectStatement {
    let waiting = Entity::find().select_only().column(Column::Id).filter(which);
    let waiting = waiting.order_by_asc(oldest).order_by_asc(Column::Id).limit(1);
    waiting.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).into_query()
}
