//! Where a ledger is kept, so that a test runs on each database that processes can share.

use kubemate_ledger::{Ledger, LedgerConfig, PostgresConfig};

use crate::{on_disk::OnDisk, server::Server};

/// A ledger of its own that can be opened any number of times.
pub(crate) enum Place {
    File(OnDisk),
    Postgres(String),
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(OnDisk::new())
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Server::shared().database().await)
    }

    pub(crate) fn config(&self) -> LedgerConfig {
        match self {
            Self::File(disk) => LedgerConfig::Sqlite { path: disk.folder().join("ledger.sqlite") },
            Self::Postgres(url) => postgres(url),
        }
    }

    /// Opens it as one more process would.
    pub(crate) async fn open(&self) -> Ledger {
        Ledger::open(&self.config()).await.unwrap()
    }

    /// Where somebody who goes around the ledger connects to.
    pub(crate) fn address(&self) -> String {
        match self.config() {
            LedgerConfig::Sqlite { path } => format!("sqlite://{}", path.display()),
            LedgerConfig::Postgres(server) => server.url,
            LedgerConfig::Memory => unreachable!("no place is in memory"),
        }
    }
}

/// The ledger behind such an address.
pub(crate) fn behind(address: &str) -> LedgerConfig {
    match address.strip_prefix("sqlite://") {
        Some(path) => LedgerConfig::Sqlite { path: path.into() },
        None => postgres(address),
    }
}

pub(crate) fn postgres(url: &str) -> LedgerConfig {
    let patience = std::time::Duration::from_secs(60);
    LedgerConfig::Postgres(PostgresConfig { url: url.to_owned(), password: None, connections: 8, patience })
}

/// Makes two tests of each function that takes a `&Place`: on SQLite in a file, and on PostgreSQL.
macro_rules! in_each_place {
    ($($name:ident),+ $(,)?) => {
        mod in_a_file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::place::Place::file()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&$crate::place::Place::postgres().await).await;
            })+
        }
    };
}

pub(crate) use in_each_place;
