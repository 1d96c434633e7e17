//! Where answers and counters are kept.

use std::time::Duration;

use bytesize::ByteSize;
use kubemate_cache::RedisConfig;
use serde::{Deserialize, Serialize};

use super::{Secret, secret::revealed};

/// Shorter secrets can be guessed; `openssl rand -hex 32` makes one of 64 letters.
const LEAST_SEAL: usize = 32;

/// `[store.cache]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CacheStoreConfig {
    pub(crate) kind: CacheKind,
    /// Most bytes of values held in this process.
    pub(crate) max_bytes: ByteSize,
    /// `redis`: its address, with the password.
    pub(crate) url: Option<Secret>,
    /// `redis`: what values are sealed with before they leave this process.
    pub(crate) seal_key: Option<Secret>,
    /// `redis`: first part of every name on the server.
    pub(crate) prefix: String,
    /// `redis`: longest wait for an answer, then the cache is passed by.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    /// `redis`: longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub(crate) connect_timeout: Duration,
    /// `redis`: how long this process goes on with a value that it has seen.
    #[serde(with = "humantime_serde")]
    pub(crate) near: Duration,
}

/// Who keeps values and counters.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CacheKind {
    /// This process.
    Local,
    /// A Redis server, for several processes together.
    Redis,
}

impl Default for CacheStoreConfig {
    fn default() -> Self {
        Self {
            kind: CacheKind::Local,
            max_bytes: ByteSize::mib(64),
            url: None,
            seal_key: None,
            prefix: "kubemate".to_owned(),
            timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(2),
            near: Duration::from_secs(60),
        }
    }
}

impl CacheStoreConfig {
    /// The server's configuration and the secret that values are sealed with; `None` when no server is asked for.
    ///
    /// # Errors
    /// A sentence that names the key to set.
    pub(crate) fn redis(&self) -> Result<Option<(RedisConfig, String)>, String> {
        if self.kind == CacheKind::Local {
            return Ok(None);
        }
        let url = revealed(self.url.as_ref())?.ok_or("`store.cache.kind` is `redis`: set `store.cache.url`")?;
        let seal = revealed(self.seal_key.as_ref())?.ok_or(
            "`store.cache.kind` is `redis`: set `store.cache.seal_key`, the same in every process; \
             `openssl rand -hex 32` makes one",
        )?;
        if seal.len() < LEAST_SEAL {
            return Err(format!("`store.cache.seal_key` has {} characters; use at least {LEAST_SEAL}", seal.len()));
        }
        let (timeout, connect_timeout) = (self.timeout, self.connect_timeout);
        Ok(Some((RedisConfig { url, prefix: self.prefix.clone(), timeout, connect_timeout }, seal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> CacheStoreConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_server_needs_an_address_and_a_key() {
        assert!(config("").redis().unwrap().is_none());
        assert!(config("kind = 'redis'").redis().unwrap_err().contains("store.cache.url"));
        let refused = config("kind = 'redis'\nurl = 'redis://h'").redis().unwrap_err();
        assert!(refused.contains("store.cache.seal_key"));
        assert!(config("kind = 'redis'\nurl = 'redis://h'\nseal_key = 'short'").redis().unwrap_err().contains("32"));
        let whole = config("kind = 'redis'\nurl = 'redis://h'\nseal_key = '0123456789abcdef0123456789abcdef'");
        assert_eq!(whole.redis().unwrap().unwrap().0.url, "redis://h");
    }
}
