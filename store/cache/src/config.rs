//! The room's part of the configuration.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// How much the cache may hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Most bytes of values held in this process.
    pub max_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_bytes: 64 << 20 }
    }
}

/// A Redis server that processes share.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://user:password@host:6379/0`, or `rediss://` for TLS. Holds a password, so it is never printed.
    pub url: String,
    /// First part of every name, so that several installations can share a server.
    pub prefix: String,
    /// Longest wait for an answer; a cache that is slower than this is worth nothing.
    pub timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisConfig").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
