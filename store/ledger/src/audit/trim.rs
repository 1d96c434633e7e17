//! How long audit rows are kept, and letting go of older ones without breaking the chain.

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{AuditEvent, AuditHead, BASE, HEAD, Outcome, TRIM, append, locked_mark, set_mark};
use crate::{
    Ledger, LedgerError,
    entity::audit::{Column, Entity},
};

/// Days that audit rows are kept unless set otherwise: thirteen months and some.
pub const DEFAULT_AUDIT_RETENTION_DAYS: i64 = 400;
/// The fewest days that may be set: six months (Cybersecurity Law of the PRC, article 21; 等保 2.0 level 3).
pub const LEAST_AUDIT_RETENTION_DAYS: i64 = 180;

const SETTING: &str = "audit.retention_days";
const DAY_MS: i64 = 86_400_000;

impl Ledger {
    /// How many days audit rows are kept.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn audit_retention_days(&self) -> Result<i64, LedgerError> {
        let set = self.get_setting(SETTING).await?.and_then(|value| value.parse().ok());
        let set = set.filter(|days| *days >= LEAST_AUDIT_RETENTION_DAYS);
        Ok(set.unwrap_or(DEFAULT_AUDIT_RETENTION_DAYS))
    }

    /// Sets how many days audit rows are kept.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] below [`LEAST_AUDIT_RETENTION_DAYS`].
    pub async fn set_audit_retention_days(&self, days: i64, now: i64) -> Result<(), LedgerError> {
        if days < LEAST_AUDIT_RETENTION_DAYS {
            let why = format!("audit rows must be kept for at least {LEAST_AUDIT_RETENTION_DAYS} days");
            return Err(LedgerError::Invalid(why));
        }
        self.put_setting(SETTING, &days.to_string(), now).await
    }

    /// Lets go of the rows that are older than the retention, from the old end of the chain. The last one's
    /// hash is kept as the base that verification starts from, and the trimming itself is recorded in the
    /// chain with that hash, so that a forged base shows. Gives how many rows went.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn trim_audit(&self, now_ms: i64) -> Result<u64, LedgerError> {
        let days = self.audit_retention_days().await?;
        let keep_from_ms = now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        let txn = self.begin().await?;
        let head = locked_mark(&txn, HEAD).await?;
        let base = locked_mark(&txn, BASE).await?;
        let kept = Entity::find().filter(Column::AtMs.gte(keep_from_ms)).order_by_asc(Column::Seq).one(&txn).await?;
        let through = kept.map_or(head.seq, |row| row.seq.saturating_sub(1));
        if through <= base.seq {
            return Ok(0);
        }
        let last = Entity::find().filter(Column::Seq.eq(through)).one(&txn).await?;
        let last = last.ok_or_else(|| LedgerError::Conflict("the audit chain is broken; verify it first".into()))?;
        let gone = Entity::delete_many().filter(Column::Seq.lte(through)).exec(&txn).await?.rows_affected;
        set_mark(&txn, BASE, &AuditHead { seq: through, hash: last.hash.clone() }).await?;
        let event = AuditEvent {
            tenant: None::<TenantId>,
            actor: "kubemate".to_owned(),
            action: TRIM.to_owned(),
            target: "audit".to_owned(),
            outcome: Outcome::Ok,
            at_ms: now_ms,
            detail: json!({"through": through, "hash": last.hash, "rows": gone, "retention_days": days}),
        };
        append(&txn, &[event]).await?;
        txn.commit().await?;
        Ok(gone)
    }
}
