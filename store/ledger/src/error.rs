//! Why the ledger refused or failed.

use std::error::Error;

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Why a call did not do what it was asked for. Messages are fit for clients.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No such object under this tenant. The same whether another tenant has one or nobody has.
    #[error("no {kind} `{id}`")]
    NotFound {
        /// What was looked for, in words.
        kind: &'static str,
        /// The id as it was asked for.
        id: String,
    },
    /// The object exists already or is in a state that does not allow the change.
    #[error("{0}")]
    Conflict(String),
    /// An argument that can never be right.
    #[error("{0}")]
    Invalid(String),
    /// The job was cancelled, or its lease ran out and another worker has it: stop working on it.
    #[error("the lease of the job is lost")]
    LeaseLost,
    /// The database cannot be used as it is configured: what is wrong and what to change, for operators.
    #[error("{0}")]
    Setup(String),
    /// The database cannot be reached, read or written. The cause is for the log, not for clients.
    #[error("the ledger is not available")]
    Store(#[source] StoreFailure),
}

/// The database's own error, kept for the log.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreFailure(Box<dyn Error + Send + Sync>);

impl StoreFailure {
    /// The SQLSTATE that a PostgreSQL server gave, if that is what failed.
    pub(crate) fn sql_state(&self) -> Option<String> {
        self.0.downcast_ref::<DbErr>().and_then(sql_state)
    }
}

impl LedgerError {
    /// Wraps whatever the database or the file system said.
    pub(crate) fn store(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Store(StoreFailure(cause.into()))
    }

    /// No `kind` named `id` under the tenant that asks.
    pub(crate) fn not_found(kind: &'static str, id: &str) -> Self {
        Self::NotFound { kind, id: id.to_owned() }
    }
}

impl From<DbErr> for LedgerError {
    /// PostgreSQL cannot keep the character U+0000 in a text; only a client's text can hold one.
    fn from(cause: DbErr) -> Self {
        match sql_state(&cause).as_deref() {
            Some("22021") => Self::Invalid("a text holds the character U+0000, which cannot be kept".to_owned()),
            _ => Self::store(cause),
        }
    }
}

fn sql_state(cause: &DbErr) -> Option<String> {
    let (DbErr::Conn(RuntimeErr::SqlxError(inner))
    | DbErr::Exec(RuntimeErr::SqlxError(inner))
    | DbErr::Query(RuntimeErr::SqlxError(inner))) = cause
    else {
        return None;
    };
    match inner.as_ref() {
        sqlx::Error::Database(answer) => answer.code().map(String::from),
        _ => None,
    }
}

/// Turns a broken unique constraint into a conflict that `what` describes; other errors stay what they are.
pub(crate) fn taken(cause: DbErr, what: impl FnOnce() -> String) -> LedgerError {
    match cause.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => LedgerError::Conflict(what()),
        _ => cause.into(),
    }
}
