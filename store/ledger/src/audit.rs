//! The audit chain: append-only, each row's hash covers the row and the hash before it, so that a changed,
//! removed, inserted or reordered row shows. Whoever can write the database could forge the whole chain
//! with both its ends; noting [`Ledger::audit_head`] elsewhere now and then closes that too.

use std::str::FromStr;

use kubemate_identity::TenantId;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, Select, Value,
    sea_query::Expr,
};

use self::hash::{canonical, hash};
use crate::{
    Json, Ledger, LedgerError, Order, Page, PageOf,
    entity::{
        audit::{Column, Entity, Model},
        audit_mark,
    },
    often::Insert,
    text::storable,
};

mod hash;
mod trim;
mod verify;

pub use trim::{DEFAULT_AUDIT_RETENTION_DAYS, LEAST_AUDIT_RETENTION_DAYS};
pub use verify::AuditReport;

/// Rows read at once while verifying.
const ROWS_AT_ONCE: u64 = 2000;

const APPEND: Insert<9> = Insert {
    table: "audit",
    columns: ["seq", "tenant", "actor", "action", "target", "outcome", "at_ms", "detail", "hash"],
    tail: "",
};

/// How what was tried came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is about to be done; a later row says how it came out. Written first, so that nothing changes unrecorded.
    Begun,
    /// It was done.
    Ok,
    /// It was not allowed.
    Denied,
    /// It was allowed and went wrong.
    Failed,
}

impl Outcome {
    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// The tenant it is about. `None`: the instance, or nobody knows (an unknown key).
    pub tenant: Option<TenantId>,
    /// Who acted: a key's id, or `kubemate` itself.
    pub actor: String,
    /// What was done, such as `key.create`.
    pub action: String,
    /// What it was done to, such as a file's id.
    pub target: String,
    /// How it came out.
    pub outcome: Outcome,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Further facts. Never prompts, answers, keys or other people's data.
    pub detail: Json,
}

/// A row of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Position, from 1, without gaps.
    pub seq: i64,
    /// The tenant it is about.
    pub tenant: Option<TenantId>,
    /// Who acted.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// `begun`, `ok`, `denied` or `failed`.
    pub outcome: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Further facts.
    pub detail: Json,
    /// SHA-256 in hex over the hash before and this row.
    pub hash: String,
}

/// An end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditHead {
    /// Position of the newest row; 0 when there never was one.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

impl Ledger {
    /// Appends one event.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), LedgerError> {
        self.audit_all(vec![event]).await
    }

    /// Appends events in their order, all in one transaction.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn audit_all(&self, events: Vec<AuditEvent>) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        append(&txn, &events).await?;
        Ok(txn.commit().await?)
    }

    /// A page of what concerns a tenant. Cursors are positions.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn audit_rows(&self, tenant: &TenantId, page: &Page) -> Result<PageOf<AuditRow>, LedgerError> {
        self.audit_page(Entity::find().filter(Column::Tenant.eq(tenant.as_str())), page).await
    }

    /// A page of everything. For operators.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn audit_rows_of_all(&self, page: &Page) -> Result<PageOf<AuditRow>, LedgerError> {
        self.audit_page(Entity::find(), page).await
    }

    /// The newest row's position and hash.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn audit_head(&self) -> Result<AuditHead, LedgerError> {
        mark(self.read(), HEAD).await
    }

    async fn audit_page(&self, rows: Select<Entity>, page: &Page) -> Result<PageOf<AuditRow>, LedgerError> {
        page.check()?;
        let mut cursor = rows.cursor_by(Column::Seq);
        if page.order == Order::Desc {
            cursor.desc();
        }
        if let Some(after) = &page.after {
            cursor.after(position(after)?);
        }
        if let Some(before) = &page.before {
            cursor.before(position(before)?);
        }
        let fetched = page.limit.saturating_add(1);
        let rows = if page.backwards() { cursor.last(fetched) } else { cursor.first(fetched) }.all(self.read()).await?;
        let rows = rows.into_iter().map(AuditRow::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(PageOf::cut(rows, page, |row| row.seq.to_string()))
    }
}

/// The mark of the newest row.
pub(crate) const HEAD: &str = "head";
/// The mark of the newest row that was trimmed.
pub(crate) const BASE: &str = "base";
/// The action that records a trimming.
pub(crate) const TRIM: &str = "audit.trim";

/// Appends within a transaction. The head is locked first, so that appends of all processes queue up.
pub(crate) async fn append(txn: &DatabaseTransaction, events: &[AuditEvent]) -> Result<AuditHead, LedgerError> {
    let mut head = locked_mark(txn, HEAD).await?;
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let row = link(&head, event)?;
        head.seq = row.seq;
        head.hash.clone_from(&row.hash);
        rows.push(row);
    }
    APPEND.run(txn, rows.into_iter().map(values)).await?;
    set_mark(txn, HEAD, &head).await?;
    Ok(head)
}

fn link(head: &AuditHead, event: &AuditEvent) -> Result<Model, LedgerError> {
    let mut detail = String::new();
    canonical(&event.detail, &mut detail);
    let mut row = Model {
        seq: head.seq.saturating_add(1),
        tenant: event.tenant.as_ref().map(ToString::to_string),
        actor: storable(&event.actor).into_owned(),
        action: storable(&event.action).into_owned(),
        target: storable(&event.target).into_owned(),
        outcome: event.outcome.as_str().to_owned(),
        at_ms: event.at_ms,
        detail,
        hash: String::new(),
    };
    row.hash = hash(&head.hash, &row)?;
    Ok(row)
}

fn values(row: Model) -> [Value; 9] {
    [
        row.seq.into(),
        row.tenant.into(),
        row.actor.into(),
        row.action.into(),
        row.target.into(),
        row.outcome.into(),
        row.at_ms.into(),
        row.detail.into(),
        row.hash.into(),
    ]
}

pub(crate) async fn mark<C: ConnectionTrait>(db: &C, name: &str) -> Result<AuditHead, LedgerError> {
    let row = audit_mark::Entity::find().filter(audit_mark::Column::Name.eq(name)).one(db).await?;
    Ok(row.map(|row| AuditHead { seq: row.seq, hash: row.hash }).unwrap_or_default())
}

pub(crate) async fn locked_mark(txn: &DatabaseTransaction, name: &str) -> Result<AuditHead, LedgerError> {
    let row = audit_mark::Entity::find().filter(audit_mark::Column::Name.eq(name)).lock_exclusive().one(txn).await?;
    let row = row.ok_or_else(|| LedgerError::store(format!("the audit chain lost its mark `{name}`")))?;
    Ok(AuditHead { seq: row.seq, hash: row.hash })
}

pub(crate) async fn set_mark(txn: &DatabaseTransaction, name: &str, to: &AuditHead) -> Result<(), LedgerError> {
    audit_mark::Entity::update_many()
        .filter(audit_mark::Column::Name.eq(name))
        .col_expr(audit_mark::Column::Seq, Expr::value(to.seq))
        .col_expr(audit_mark::Column::Hash, Expr::value(to.hash.clone()))
        .exec(txn)
        .await?;
    Ok(())
}

fn position(cursor: &str) -> Result<i64, LedgerError> {
    i64::from_str(cursor).map_err(|_| LedgerError::Invalid(format!("no item `{cursor}` to page from")))
}

impl TryFrom<Model> for AuditRow {
    type Error = LedgerError;
    fn try_from(row: Model) -> Result<Self, LedgerError> {
        Ok(Self {
            seq: row.seq,
            tenant: row.tenant.as_deref().map(TenantId::from_str).transpose().map_err(LedgerError::store)?,
            actor: row.actor,
            action: row.action,
            target: row.target,
            outcome: row.outcome,
            at_ms: row.at_ms,
            detail: serde_json::from_str(&row.detail).map_err(LedgerError::store)?,
            hash: row.hash,
        })
    }
}
