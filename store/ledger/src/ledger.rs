//! The door: opening, the two pools, and write transactions.

use std::{path::PathBuf, sync::Arc};

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbBackend, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use tokio::sync::watch;

use crate::{
    LedgerError,
    migration::Migrator,
    postgres::{self, PostgresConfig},
    sqlite,
};

/// Where the ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerConfig {
    /// A SQLite file, made when it is missing. For one process; a second one (the CLI) may join for moments.
    Sqlite {
        /// The file. Its folder must exist.
        path: PathBuf,
    },
    /// A PostgreSQL server, for any number of processes.
    Postgres(PostgresConfig),
    /// Memory: gone with the process. For tests.
    Memory,
}

/// The connections of a ledger. In memory and on PostgreSQL both are the same pool.
pub(crate) struct Pools {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
}

/// The relational store. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    write: DatabaseConnection,
    read: DatabaseConnection,
    enqueued: watch::Sender<u64>,
}

impl Ledger {
    /// Opens the ledger and brings its tables up to date. Several processes may do so at once.
    ///
    /// # Errors
    /// [`LedgerError::Setup`] when the server cannot be used, in words for whoever configured it; [`LedgerError::Store`] when
    /// the database cannot be opened or was written by a newer Kubemate.
    pub async fn open(config: &LedgerConfig) -> Result<Self, LedgerError> {
        let pools = match config {
            LedgerConfig::Sqlite { path } => sqlite::open(path).await?,
            LedgerConfig::Postgres(server) => postgres::open(server).await?,
            LedgerConfig::Memory => sqlite::open_memory().await?,
        };
        let inner = Inner { write: pools.write, read: pools.read, enqueued: watch::Sender::new(0) };
        let ledger = Self { inner: Arc::new(inner) };
        match (ledger.migrate().await, config) {
            (Ok(()), _) => Ok(ledger),
            (Err(cause), LedgerConfig::Postgres(server)) => Err(postgres::refused(server, cause)),
            (Err(cause), _) => Err(cause),
        }
    }

    /// Brings the tables up to date, in one transaction.
    async fn migrate(&self) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        if self.is_shared() {
            postgres::migrate_alone(&txn).await?;
        }
        Migrator::up(&txn, None).await?;
        Ok(txn.commit().await?)
    }

    /// Whether other processes use the same database all the time.
    pub(crate) fn is_shared(&self) -> bool {
        self.inner.write.get_database_backend() == DbBackend::Postgres
    }

    /// An empty ledger in memory, for tests. It has one connection, so reads wait for writes.
    ///
    /// # Errors
    /// [`LedgerError::Store`] when SQLite refuses.
    pub async fn in_memory() -> Result<Self, LedgerError> {
        Self::open(&LedgerConfig::Memory).await
    }

    /// Whether the database answers: for readiness.
    ///
    /// # Errors
    /// [`LedgerError::Store`] when it does not.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        Ok(self.inner.read.ping().await?)
    }

    /// What the server is set to that a ledger should not live with: for operators.
    ///
    /// # Errors
    /// [`LedgerError::Store`] when it does not answer.
    pub async fn concerns(&self) -> Result<Vec<String>, LedgerError> {
        if self.is_shared() { postgres::concerns(&self.inner.read).await } else { Ok(Vec::new()) }
    }

    /// Closes the connections after their running statements. Later calls on any clone fail.
    ///
    /// # Errors
    /// [`LedgerError::Store`] when the database complains while closing.
    pub async fn close(&self) -> Result<(), LedgerError> {
        self.inner.read.close_by_ref().await?;
        Ok(self.inner.write.close_by_ref().await?)
    }

    /// Changes whenever this process puts a job into the queue, so that workers need not poll for their
    /// own process's jobs. Jobs of other processes are seen by polling only.
    #[must_use]
    pub fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.inner.enqueued.subscribe()
    }

    /// Connections for statements that only read. Never to be used while holding a transaction of
    /// [`Self::begin`]: the in-memory ledger has a single connection.
    pub(crate) fn read(&self) -> &DatabaseConnection {
        &self.inner.read
    }

    /// The connection for single statements that write.
    pub(crate) fn write(&self) -> &DatabaseConnection {
        &self.inner.write
    }

    /// Starts a transaction that will write. Dropping it rolls it back.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, LedgerError> {
        Ok(self.inner.write.begin_with_options(sqlite::write_transaction()).await?)
    }

    /// Commits, then wakes this process's workers.
    pub(crate) async fn commit_jobs(&self, txn: DatabaseTransaction) -> Result<(), LedgerError> {
        txn.commit().await?;
        self.inner.enqueued.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }
}
