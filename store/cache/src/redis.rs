//! A Redis server that processes share.

mod counter;
mod link;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubemate_identity::TenantId;
use redis::Script;

use self::link::Link;
use crate::local::LONGEST;
use crate::{Cache, CacheError, CacheKey, Held, RedisConfig};

/// Value and milliseconds left in one step: of two, the second could tell the time of another value.
static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new("local value = redis.call('GET', KEYS[1]) return {value, redis.call('PTTL', KEYS[1])}")
});

/// Values and counters on a Redis server (7 or newer, or what speaks like it), each step atomic on the server.
///
/// The server may come and go: while it does not answer, calls fail at once and one probe in the background looks
/// whether it is back.
#[derive(Debug, Clone)]
pub struct Redis {
    link: Arc<Link>,
    prefix: Arc<str>,
}

impl Redis {
    /// A client of the configured server; it connects at the first call. Must be called inside the runtime.
    ///
    /// # Errors
    /// [`CacheError::Address`] when the address cannot be read.
    pub fn new(config: &RedisConfig) -> Result<Self, CacheError> {
        Ok(Self { link: Link::new(config)?, prefix: Arc::from(config.prefix.as_str()) })
    }

    /// The braces keep a tenant's names on one node of a cluster, where a script may take several.
    fn name(&self, tenant: &TenantId, key: &CacheKey) -> String {
        format!("{}:{{{tenant}}}:{key}", self.prefix)
    }
}

/// Redis refuses a time to live of 0, and one beyond its clock.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.min(LONGEST).as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl Cache for Redis {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        let mut call = FIND.prepare_invoke();
        call.key(self.name(tenant, key));
        let (value, left): (Option<Vec<u8>>, i64) = self.link.invoke(&call).await?;
        let left = u64::try_from(left).map(Duration::from_millis).unwrap_or_default();
        Ok(value.filter(|_| !left.is_zero()).map(|value| Held { value: value.into(), left }))
    }

    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        if ttl.is_zero() {
            return self.remove(tenant, key).await;
        }
        let mut set = redis::cmd("SET");
        set.arg(self.name(tenant, key)).arg(value.as_ref()).arg("PX").arg(millis(ttl));
        self.link.query(&set).await
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(self.name(tenant, key));
        self.link.query(&unlink).await
    }

    async fn check(&self) -> Result<(), CacheError> {
        let mut set = redis::cmd("SET");
        set.arg(format!("{}:check", self.prefix)).arg(1).arg("PX").arg(1000);
        self.link.query(&set).await
    }
}
