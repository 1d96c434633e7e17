//! What this process has seen lately, in front of what all processes share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubemate_identity::TenantId;

use crate::{Cache, CacheConfig, CacheError, CacheKey, Held, Local};

/// A [`Local`] in front of a shared cache.
///
/// A value that another process replaced or removed may still be given here for as long as `near`, never past its own
/// time to live.
#[derive(Debug)]
pub struct Tiered {
    front: Local,
    shared: Arc<dyn Cache>,
    near: Duration,
}

impl Tiered {
    /// Puts a front of this size before `shared` that holds a value for at most `near`.
    #[must_use]
    pub fn new(config: &CacheConfig, near: Duration, shared: Arc<dyn Cache>) -> Self {
        Self { front: Local::new(config), shared, near }
    }
}

#[async_trait]
impl Cache for Tiered {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        if let Some(held) = self.front.find(tenant, key).await? {
            return Ok(Some(held));
        }
        let found = self.shared.find(tenant, key).await?;
        if let Some(held) = &found {
            self.front.put(tenant, key, held.value.clone(), held.left.min(self.near)).await?;
        }
        Ok(found)
    }

    /// Kept in front even when the shared cache does not take it: this process can use it for a while.
    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.front.put(tenant, key, value.clone(), ttl.min(self.near)).await?;
        self.shared.put(tenant, key, value, ttl).await
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        let removed = self.shared.remove(tenant, key).await;
        self.front.remove(tenant, key).await?;
        removed
    }

    async fn check(&self) -> Result<(), CacheError> {
        self.shared.check().await
    }
}
