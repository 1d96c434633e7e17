//! Walking the audit chain to see whether it holds.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{AuditHead, BASE, HEAD, ROWS_AT_ONCE, TRIM, hash::hash, mark};
use crate::{
    Json, Ledger, LedgerError,
    entity::audit::{Column, Entity, Model},
};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// How many rows fit, from the oldest kept one on.
    pub rows: u64,
    /// The first position where the chain does not hold. `None`: it holds.
    pub broken_at: Option<i64>,
    /// The newest row when the verification began.
    pub head: AuditHead,
}

impl Ledger {
    /// Walks the whole chain. Finds any changed bit, missing, added or moved row, and a wrong end.
    ///
    /// # Errors
    /// [`LedgerError::Store`] when the rows cannot be read at all.
    pub async fn verify_audit(&self) -> Result<AuditReport, LedgerError> {
        loop {
            let base = mark(self.read(), BASE).await?;
            let report = self.walk(&base).await?;
            // Trimming in the meantime took rows away from under the walk: walk again.
            if mark(self.read(), BASE).await? == base {
                return Ok(report);
            }
        }
    }

    async fn walk(&self, base: &AuditHead) -> Result<AuditReport, LedgerError> {
        let newest: Option<i64> = Entity::find()
            .select_only()
            .column_as(Column::Seq.max(), "newest")
            .into_tuple::<Option<i64>>()
            .one(self.read())
            .await?
            .flatten();
        let head = mark(self.read(), HEAD).await?;
        let mut walker = Walker { at: base.clone(), rows: 0, trimmed: None };
        let broken = |walker: &Walker, at| AuditReport { rows: walker.rows, broken_at: Some(at), head: head.clone() };
        while walker.at.seq < head.seq {
            let from = walker.at.seq;
            for row in self.stretch(from, head.seq).await? {
                let Some(row) = row.filter(|row| walker.fits(row)) else {
                    return Ok(broken(&walker, walker.at.seq.saturating_add(1)));
                };
                walker.step(row);
            }
            if walker.at.seq == from {
                return Ok(broken(&walker, from.saturating_add(1)));
            }
        }
        let beyond = newest.is_some_and(|newest| newest > head.seq);
        if beyond || walker.at != head {
            return Ok(broken(&walker, head.seq.saturating_add(i64::from(beyond))));
        }
        if base.seq > 0 && walker.trimmed.as_ref() != Some(base) {
            return Ok(broken(&walker, base.seq));
        }
        Ok(AuditReport { rows: walker.rows, broken_at: None, head })
    }

    /// Some rows after `from`, at most up to `to`. A row that no longer decodes is `None`.
    async fn stretch(&self, from: i64, to: i64) -> Result<Vec<Option<Model>>, LedgerError> {
        let rows = Entity::find().filter(Column::Seq.gt(from)).filter(Column::Seq.lte(to));
        let read = rows.order_by_asc(Column::Seq).limit(ROWS_AT_ONCE).all(self.read()).await;
        let Err(cause) = read else { return Ok(read?.into_iter().map(Some).collect()) };
        let mut one_by_one = Vec::new();
        for seq in (from..to).map(|seq| seq.saturating_add(1)).take(usize::try_from(ROWS_AT_ONCE).unwrap_or(1)) {
            let row = Entity::find().filter(Column::Seq.eq(seq)).one(self.read()).await.ok().flatten();
            let unreadable = row.is_none();
            one_by_one.push(row);
            if unreadable {
                return Ok(one_by_one);
            }
        }
        Err(cause.into())
    }
}

/// Goes along the chain and remembers what it must find next.
struct Walker {
    at: AuditHead,
    rows: u64,
    trimmed: Option<AuditHead>,
}

impl Walker {
    fn fits(&self, row: &Model) -> bool {
        row.seq == self.at.seq.saturating_add(1) && hash(&self.at.hash, row).is_ok_and(|hash| hash == row.hash)
    }

    fn step(&mut self, row: Model) {
        if row.action == TRIM {
            self.trimmed = trimmed(&row.detail);
        }
        self.at = AuditHead { seq: row.seq, hash: row.hash };
        self.rows = self.rows.saturating_add(1);
    }
}

/// Where a recorded trimming cut.
fn trimmed(detail: &str) -> Option<AuditHead> {
    let detail: Json = serde_json::from_str(detail).ok()?;
    let hash = detail.get("hash")?.as_str()?.to_owned();
    Some(AuditHead { seq: detail.get("through")?.as_i64()?, hash })
}
