//! Where tenants, keys, documents, jobs, usage and audit are kept.

use std::{path::Path, time::Duration};

use kubemate_ledger::{LedgerConfig, PostgresConfig};
use serde::{Deserialize, Serialize};

use super::{Secret, secret::revealed};

/// `[store.ledger]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LedgerStoreConfig {
    /// Unset: `postgres` where an address is given, else `sqlite`.
    pub(crate) kind: Option<LedgerKind>,
    /// `postgres`: its address, with libpq's `sslmode` and `sslrootcert`.
    pub(crate) url: Option<Secret>,
    /// `postgres`: the password, where the address has none.
    pub(crate) password: Option<Secret>,
    /// `postgres`: most connections of this process.
    pub(crate) connections: u32,
    /// `postgres`: longest wait for the server at the start, and for a free connection later.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

/// Which database holds the ledger.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LedgerKind {
    /// A file below `store.data_dir`.
    Sqlite,
    /// A PostgreSQL server, for several processes together.
    Postgres,
}

impl Default for LedgerStoreConfig {
    fn default() -> Self {
        Self { kind: None, url: None, password: None, connections: 16, timeout: Duration::from_secs(10) }
    }
}

impl LedgerStoreConfig {
    /// Whether other processes can use it, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.kind.map_or(self.url.is_some(), |kind| kind == LedgerKind::Postgres)
    }

    /// What the ledger's room is asked for; the file is the one in `data`.
    ///
    /// # Errors
    /// A sentence that names the key to set.
    pub(crate) fn opened(&self, data: &Path) -> Result<LedgerConfig, String> {
        if !self.is_shared() {
            if self.url.is_some() {
                return Err("`store.ledger.kind` is `sqlite`, so `store.ledger.url` leads nowhere: remove one".into());
            }
            return Ok(LedgerConfig::Sqlite { path: data.join("ledger.sqlite") });
        }
        let url = revealed(self.url.as_ref())?
            .ok_or("`store.ledger.kind` is `postgres`: set `store.ledger.url`, and the variable that it names")?;
        if self.connections == 0 {
            return Err("`store.ledger.connections` must be at least 1".into());
        }
        let password = revealed(self.password.as_ref())?;
        let (connections, patience) = (self.connections, self.timeout);
        Ok(LedgerConfig::Postgres(PostgresConfig { url, password, connections, patience }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<LedgerConfig, String> {
        toml::from_str::<LedgerStoreConfig>(text).unwrap().opened(Path::new("/data"))
    }

    #[test]
    fn an_address_alone_asks_for_a_server() {
        assert!(matches!(opened("").unwrap(), LedgerConfig::Sqlite { path } if path.ends_with("ledger.sqlite")));
        let server = opened("url = 'postgres://u@h/d'\npassword = 'p'").unwrap();
        assert!(matches!(server, LedgerConfig::Postgres(server) if server.password.as_deref() == Some("p")));
        assert!(opened("kind = 'postgres'").unwrap_err().contains("store.ledger.url"));
        assert!(opened("url = { env = 'KUBEMATE_NOT_SET' }").unwrap_err().contains("store.ledger.url"));
        assert!(opened("kind = 'sqlite'\nurl = 'postgres://u@h/d'").unwrap_err().contains("remove one"));
    }
}
