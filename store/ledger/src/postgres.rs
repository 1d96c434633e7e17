//! All that is particular to PostgreSQL.
//!
//! Statements run at the server's usual isolation (read committed). What must not change under a transaction's hands is
//! locked first, always in the order tenant, file, store, job, document, counter, so that no two wait for each other.

mod explain;

use std::{fmt, str::FromStr, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    sqlx::{
        self, Connection,
        postgres::{PgConnectOptions, PgConnection},
    },
};
use tokio::time::{Instant, sleep, timeout};

use self::explain::{comes_up, explain};
use crate::{LedgerError, ledger::Pools};

/// The oldest server that is let in, as `server_version_num` counts: what was released before has no security fixes any
/// more (PostgreSQL versioning policy).
const OLDEST: i32 = 130_000;
/// What each session asks of the server. A process that stops in the midst of a transaction (a frozen machine) must not
/// hold everybody else's locks for long; no statement of ours takes minutes.
const SESSION: [(&str, &str); 3] =
    [("statement_timeout", "5min"), ("lock_timeout", "30s"), ("idle_in_transaction_session_timeout", "1min")];
/// A connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_mins(5);
/// Connections are renewed after this time, so that a server that was moved behind its name is found.
const LIFETIME: Duration = Duration::from_mins(30);
/// Between two tries to reach a server that is starting.
const LOOK: Duration = Duration::from_millis(250);
/// The advisory lock under which tables are changed: `kubemate` in ASCII.
const MIGRATION: i64 = 0x6b75_6265_6d61_7465;

/// A PostgreSQL server that processes share.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:5432/database`, with libpq's `sslmode` and `sslrootcert` behind a `?`. It may hold a
    /// password, so it is never printed.
    pub url: String,
    /// The password, where the address has none.
    pub password: Option<String>,
    /// Most connections of this process.
    pub connections: u32,
    /// Longest wait for the server at the start, and for a free connection later.
    pub patience: Duration,
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresConfig").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// Connects once to learn what is wrong, if anything is, then makes the pool.
pub(crate) async fn open(config: &PostgresConfig) -> Result<Pools, LedgerError> {
    let server = server(config)?;
    probe(&server, config.patience).await.map_err(LedgerError::Setup)?;
    let mut options = ConnectOptions::new("postgres://");
    options
        .max_connections(config.connections)
        .min_connections(1)
        .acquire_timeout(config.patience)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .sqlx_logging(false) // statements carry file names and the like
        .record_stmt_in_spans(false)
        .test_before_acquire(true) // one round trip more, and a server that came back is used without an error
        .map_sqlx_postgres_opts(move |_| server.clone());
    let write = Database::connect(options).await?;
    Ok(Pools { read: write.clone(), write })
}

/// Keeps every other process from changing tables until the transaction ends.
pub(crate) async fn migrate_alone(txn: &DatabaseTransaction) -> Result<(), LedgerError> {
    let wait = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
    txn.execute_unprepared(wait).await?;
    txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION})")).await?;
    Ok(())
}

/// Says why tables could not be made, where the user can mend it.
pub(crate) fn refused(config: &PostgresConfig, cause: LedgerError) -> LedgerError {
    let (LedgerError::Store(failure), Ok(server)) = (&cause, server(config)) else { return cause };
    match failure.sql_state().as_deref() {
        Some("42501") => LedgerError::Setup(format!(
            "user `{user}` may not make tables; an owner of the database types `GRANT CREATE ON SCHEMA public TO {user}`",
            user = server.get_username()
        )),
        _ => cause,
    }
}

/// Settings of the server under which what was acknowledged can be lost or overheard.
pub(crate) async fn concerns(db: &DatabaseConnection) -> Result<Vec<String>, LedgerError> {
    let asked = "SELECT current_setting('fsync') = 'off', current_setting('synchronous_commit') = 'off', \
                 inet_client_addr() IS NOT NULL AND NOT (inet_client_addr() << '127.0.0.0/8' OR inet_client_addr() = '::1') \
                 AND NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, asked)).await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let told = [
        "its `fsync` is off: a power cut destroys it",
        "its `synchronous_commit` is off: a power cut loses what was acknowledged",
        "the connection is not encrypted; add `?sslmode=verify-full&sslrootcert=FILE` to the address",
    ];
    let mut concerns = Vec::new();
    for (at, sentence) in told.into_iter().enumerate() {
        if row.try_get_by_index::<Option<bool>>(at)?.unwrap_or(false) {
            concerns.push(sentence.to_owned());
        }
    }
    Ok(concerns)
}

fn server(config: &PostgresConfig) -> Result<PgConnectOptions, LedgerError> {
    let known = ["postgres://", "postgresql://"].iter().any(|scheme| config.url.starts_with(scheme));
    let server = known.then(|| PgConnectOptions::from_str(&config.url).ok()).flatten().ok_or_else(|| {
        LedgerError::Setup("the address is not of the form `postgres://user@host:5432/database`".to_owned())
    })?;
    let server = server.application_name("kubemate").options(SESSION);
    Ok(match &config.password {
        Some(password) => server.password(password),
        None => server,
    })
}

/// Connects, waiting for a server that is about to start, and looks how old it is.
async fn probe(server: &PgConnectOptions, patience: Duration) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        let failure = match timeout(patience, PgConnection::connect_with(server)).await {
            Err(_) => return Err(format!("{} does not answer within {patience:?}", explain::place(server))),
            Ok(Ok(connection)) => return new_enough(connection, server).await,
            Ok(Err(failure)) => failure,
        };
        if !comes_up(&failure) || Instant::now() >= end {
            return Err(explain(&failure, server));
        }
        sleep(LOOK).await;
    }
}

async fn new_enough(mut connection: PgConnection, server: &PgConnectOptions) -> Result<(), String> {
    let version = sqlx::query_scalar::<_, String>("SHOW server_version_num").fetch_one(&mut connection).await;
    let version = version.map_err(|failure| explain(&failure, server))?;
    let _gone_anyway = connection.close().await;
    judge(&version)
}

fn judge(version: &str) -> Result<(), String> {
    match version.parse::<i32>() {
        Ok(number) if number < OLDEST => {
            Err(format!("the server is PostgreSQL {}; {} is the oldest that works", number / 10_000, OLDEST / 10_000))
        }
        _ => Ok(()), // what is not a number is a server that only speaks like PostgreSQL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_named() {
        assert_eq!(judge("120022").unwrap_err(), "the server is PostgreSQL 12; 13 is the oldest that works");
        assert!(judge("130000").is_ok() && judge("150008").is_ok());
    }

    #[test]
    fn nothing_of_the_address_is_printed() {
        let (url, password) = ("postgres://u:hidden@h/d".to_owned(), Some("hidden".to_owned()));
        let config = PostgresConfig { url, password, connections: 1, patience: LOOK };
        assert!(!format!("{config:?}").contains("hidden"));
        let wrong = PostgresConfig { url: "postgres://u:hidden@h:port/d".to_owned(), ..config };
        let told = format!("{:?}", server(&wrong).unwrap_err());
        assert!(told.contains("postgres://user@host") && !told.contains("hidden"), "{told}");
    }
}
