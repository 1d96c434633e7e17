//! The in-memory fake, for tests of other rooms.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use kubemate_identity::TenantId;

use crate::{Cache, CacheError, CacheKey, Claim, Counter, Held, Reserved, Settlement, counts::Counts};

/// A cache in a map without bound, and the counters that every process has.
#[derive(Debug, Default)]
pub struct MemoryCache {
    values: Mutex<Map<Bytes>>,
    counts: Counts,
}

/// A value and when it ends, by tenant and key. `None` ends never: the time is past what the clock can hold.
type Map<T> = HashMap<(TenantId, CacheKey), (T, Option<Instant>)>;

#[async_trait]
impl Cache for MemoryCache {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        let values = lock(&self.values);
        let held = values.get(&(tenant.clone(), *key)).filter(|(_, end)| !is_over(*end));
        Ok(held.map(|(value, end)| {
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            Held { value: value.clone(), left }
        }))
    }

    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        lock(&self.values).insert((tenant.clone(), *key), (value, Instant::now().checked_add(ttl)));
        Ok(())
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        lock(&self.values).remove(&(tenant.clone(), *key));
        Ok(())
    }
}

#[async_trait]
impl Counter for MemoryCache {
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

fn is_over(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() >= end)
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
