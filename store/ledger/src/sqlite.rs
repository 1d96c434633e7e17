//! All that is particular to SQLite.
//!
//! One connection writes, several read: SQLite has one writer at a time, and waiting in our own queue is
//! fair where waiting on its lock is not. Write transactions start with `BEGIN IMMEDIATE`, so that another
//! process (the CLI beside a running server) waits for the lock too; a transaction that began by reading
//! would be refused with "database is locked" at its first write, whatever the busy timeout.

use std::{fs::OpenOptions, path::Path, time::Duration};

use sea_orm::{ConnectOptions, Database, DatabaseConnection, SqliteTransactionMode, TransactionOptions};

use crate::{LedgerError, ledger::Pools};

/// How long a statement waits for another process's transaction. Ours take milliseconds; a copy of the
/// file by a backup tool may hold the lock for seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call waits in line for a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections that read: more than the cores of a small machine, few enough for one page cache each.
const READERS: u32 = 8;

/// Opens the file, makes it when missing.
///
/// `synchronous=FULL`: in WAL mode `NORMAL` survives `kill -9` but not the loss of power, where the last
/// commits may vanish although they were acknowledged. A sync per commit is the price; what is frequent
/// (usage, audit) is written in batches.
pub(crate) async fn open(path: &Path) -> Result<Pools, LedgerError> {
    create_private(path)?;
    let write = connect(1, path, "OFF").await?;
    let read = connect(READERS, path, "ON").await?;
    Ok(Pools { write, read })
}

/// A database in memory lives as long as its one connection.
pub(crate) async fn open_memory() -> Result<Pools, LedgerError> {
    let mut options = base("sqlite::memory:", 1);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("foreign_keys", "ON"));
    let write = Database::connect(options).await?;
    Ok(Pools { read: write.clone(), write })
}

/// How a transaction that writes begins. Other databases ignore it.
pub(crate) fn write_transaction() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

/// The ledger holds key hashes and file names: only its owner may read it. SQLite gives its side files
/// the mode of the main one.
fn create_private(path: &Path) -> Result<(), LedgerError> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(LedgerError::store)
}

async fn connect(connections: u32, path: &Path, query_only: &'static str) -> Result<DatabaseConnection, LedgerError> {
    let mut options = base("sqlite::memory:", connections);
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .in_memory(false)
            .shared_cache(false)
            .filename(&path)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("query_only", query_only)
    });
    Ok(Database::connect(options).await?)
}

fn base(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false) // statements carry file names and the like
        .record_stmt_in_spans(false)
        .test_before_acquire(false); // there is no network in between
    options
}
