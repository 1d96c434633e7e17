//! The cache of one process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use kubemate_identity::TenantId;
use moka::Expiry;
use moka::future::Cache as Moka;

use crate::{Cache, CacheConfig, CacheError, CacheKey, Claim, Counter, Held, Reserved, Settlement, counts::Counts};

/// What an entry costs beside its value: tenant, key, times and moka's own bookkeeping, rounded up.
const ENTRY_BYTES: u32 = 256;

/// Longest time to live: moka refuses more than a thousand years, and nothing here outlives a process.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

type Key = (TenantId, CacheKey);

/// Values and counters in this process: bounded in bytes, each entry with its own time to live. Never fails.
#[derive(Debug, Clone)]
pub struct Local {
    values: Moka<Key, Entry<Bytes>>,
    counts: Arc<Counts>,
}

/// A value and the moment from which it must not be given any more.
#[derive(Debug, Clone)]
struct Entry<T> {
    value: T,
    end: Instant,
}

impl Local {
    /// An empty cache of the configured size.
    #[must_use]
    pub fn new(config: &CacheConfig) -> Self {
        let weigh = |_: &Key, entry: &Entry<Bytes>| {
            u32::try_from(entry.value.len()).unwrap_or(u32::MAX).saturating_add(ENTRY_BYTES)
        };
        let values = Moka::builder().max_capacity(config.max_bytes).weigher(weigh).expire_after(AtEnd).build();
        Self { values, counts: Arc::default() }
    }

    /// Bytes held now, with what entries cost beside their values. Runs the evictions that are due first.
    pub async fn bytes(&self) -> u64 {
        self.values.run_pending_tasks().await;
        self.values.weighted_size()
    }
}

#[async_trait]
impl Cache for Local {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        let held = self.values.get(&(tenant.clone(), *key)).await;
        Ok(held.and_then(|Entry { value, end }| {
            let left = end.saturating_duration_since(Instant::now());
            (!left.is_zero()).then_some(Held { value, left })
        }))
    }

    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.values.insert((tenant.clone(), *key), Entry { value, end: end_after(ttl) }).await;
        Ok(())
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        self.values.invalidate(&(tenant.clone(), *key)).await;
        Ok(())
    }
}

#[async_trait]
impl Counter for Local {
    async fn add(&self, tenant: &TenantId, key: &CacheKey, n: i64, window: Duration) -> Result<u64, CacheError> {
        Ok(self.counts.add(tenant, key, n, window))
    }

    async fn reserve(&self, claims: &[Claim]) -> Result<Reserved, CacheError> {
        Ok(self.counts.reserve(claims))
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<(), CacheError> {
        self.counts.settle(settlements);
        Ok(())
    }
}

/// Lets moka drop an entry at its own end.
struct AtEnd;

impl<T> Expiry<Key, Entry<T>> for AtEnd {
    fn expire_after_create(&self, _: &Key, entry: &Entry<T>, _: Instant) -> Option<Duration> {
        Some(entry.end.saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(&self, _: &Key, entry: &Entry<T>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.end.saturating_duration_since(Instant::now()))
    }
}

/// The moment this far from now, bounded so that no clock overflows.
fn end_after(span: Duration) -> Instant {
    Instant::now() + span.min(LONGEST)
}
