//! Where answers and counters are kept, as configured.

use std::sync::Arc;

use anyhow::Context;
use kubemate_cache::{Cache, CacheConfig, Counter, Local, Redis, Sealed, Tiered};

use crate::config::CacheStoreConfig;

/// Values and counters of this process, or of all processes together.
#[derive(Clone, Debug)]
pub(crate) struct Caches {
    pub(crate) values: Arc<dyn Cache>,
    pub(crate) counters: Arc<dyn Counter>,
    /// Whether they live outside this process, and so may be gone at times.
    pub(crate) shared: bool,
}

impl Caches {
    /// What the configuration asks for. A server that does not answer now may answer later.
    ///
    /// # Errors
    /// Names the key that is missing or wrong.
    pub(crate) fn open(config: &CacheStoreConfig) -> anyhow::Result<Self> {
        let front = CacheConfig { max_bytes: config.max_bytes.as_u64() };
        let Some((redis, seal)) = config.redis().map_err(anyhow::Error::msg)? else {
            let local = Arc::new(Local::new(&front));
            return Ok(Self { values: local.clone(), counters: local, shared: false });
        };
        let redis = Redis::new(&redis).context("`store.cache.url` cannot be used")?;
        let sealed = Arc::new(Sealed::new(seal.as_bytes(), Arc::new(redis.clone())));
        let values = Arc::new(Tiered::new(&front, config.near, sealed));
        Ok(Self { values, counters: Arc::new(redis), shared: true })
    }

    /// What is wrong with the server behind the cache, and what still works.
    pub(crate) async fn wrong(&self) -> Option<String> {
        let error = self.values.check().await.err()?;
        Some(format!("{error}; answers are not shared and limits count in each process alone"))
    }
}
