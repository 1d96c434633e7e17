//! The traits that every cache fulfils.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubemate_identity::TenantId;

use crate::{CacheError, CacheKey, Claim, Reserved, Settlement};

/// Values kept for a while, apart by tenant.
///
/// Every adapter guarantees: a call sees the given tenant's values only; a value is never given after its time to live;
/// a value may be gone earlier.
#[async_trait]
pub trait Cache: fmt::Debug + Send + Sync + 'static {
    /// The value and how long it may still be given, when it is there.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when that cannot be told.
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError>;

    /// The value, when it is still there.
    ///
    /// # Errors
    /// As [`Cache::find`].
    async fn get(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Bytes>, CacheError> {
        Ok(self.find(tenant, key).await?.map(|held| held.value))
    }

    /// Keeps the value for `ttl` at most, replacing what was there. A zero `ttl` keeps nothing.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when it was not kept.
    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    /// Forgets the value. Forgetting what is not there is no error.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when it may still be there.
    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError>;

    /// Whether values are taken and given at this moment; for operators. What lives in this process always does.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] with the reason.
    async fn check(&self) -> Result<(), CacheError> {
        Ok(())
    }
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As it was put.
    pub value: Bytes,
    /// How long it may still be given.
    pub left: Duration,
}

/// Numbers that many callers add to, apart by tenant.
#[async_trait]
pub trait Counter: fmt::Debug + Send + Sync + 'static {
    /// Adds `n` in one atomic step and gives the sum in the current window; never below 0.
    ///
    /// A window starts with the first addition and lasts `window`; then the sum starts at 0 again. A negative `n` gives
    /// back what was reserved; `n` of 0 reads.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when nothing was added.
    async fn add(&self, tenant: &TenantId, key: &CacheKey, n: i64, window: Duration) -> Result<u64, CacheError>;

    /// Checks all claims and adds all of them, or none, in one atomic step: between check and addition no other call on any
    /// of these counters takes place, from whichever process. Two claims of one call have different keys.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when it is not known whether they were added.
    async fn reserve(&self, claims: &[Claim]) -> Result<Reserved, CacheError>;

    /// Corrects granted claims in one atomic step: takes off what was claimed and adds what was used; never below 0.
    ///
    /// Where the window that was claimed of is over or lost, nothing is taken off. What was used then counts in a budget that
    /// was started anew meanwhile, and nowhere else: a new minute owes nothing to the last, and a budget that is not there
    /// will be started from what its caller has written down.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when it is not known whether that was done.
    async fn settle(&self, settlements: &[Settlement]) -> Result<(), CacheError>;
}
