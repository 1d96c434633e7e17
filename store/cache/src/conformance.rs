//! What every adapter must do, as one suite. An adapter's tests start here.

mod claims;

use std::time::Duration;

use bytes::Bytes;
use kubemate_identity::TenantId;

use crate::{Cache, CacheError, CacheKey, Counter};

/// Longer than the suite runs.
const LONG: Duration = Duration::from_secs(600);
/// Short enough to wait for, long enough to be seen before it is over.
const SHORT: Duration = Duration::from_millis(300);
/// How often the suite looks whether a value is gone.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the suite. The cache must be empty for the tenants `suite-a` and `suite-b`, and hold at least 1 MiB.
///
/// # Errors
/// The cache's own, where the suite expects none.
///
/// # Panics
/// When the cache does not do what the traits say.
pub async fn run<C: Cache + Counter>(cache: &C) -> Result<(), CacheError> {
    let [a, b] = ["suite-a", "suite-b"].map(|name| TenantId::parse(name).ok());
    let (Some(a), Some(b)) = (a, b) else { unreachable!("the names are valid") };
    keeps_replaces_and_forgets(cache, &a).await?;
    tenants_are_apart(cache, &a, &b).await?;
    values_end(cache, &a).await?;
    counts_add_up(cache, &a, &b).await?;
    windows_end(cache, &a).await?;
    adders_at_once_lose_nothing(cache, &a).await?;
    claims::run(cache, &a, &b).await
}

fn key(kind: &'static str, part: &str) -> CacheKey {
    CacheKey::new(kind, &[part])
}

async fn keeps_replaces_and_forgets(cache: &dyn Cache, tenant: &TenantId) -> Result<(), CacheError> {
    let first = key("answer", "first");
    assert_eq!(cache.get(tenant, &first).await?, None);
    cache.put(tenant, &first, Bytes::from_static(b"one"), LONG).await?;
    assert_eq!(cache.get(tenant, &first).await?.as_deref(), Some(b"one".as_slice()));
    assert_eq!(cache.get(tenant, &key("rate", "first")).await?, None, "another kind is another key");
    cache.put(tenant, &first, Bytes::from_static(b"\0\xff"), LONG).await?;
    assert_eq!(cache.get(tenant, &first).await?.as_deref(), Some(b"\0\xff".as_slice()), "any bytes");
    cache.put(tenant, &first, Bytes::new(), LONG).await?;
    assert_eq!(cache.get(tenant, &first).await?, Some(Bytes::new()), "an empty value is a value");
    cache.remove(tenant, &first).await?;
    cache.remove(tenant, &first).await?;
    assert_eq!(cache.get(tenant, &first).await?, None);
    Ok(())
}

async fn tenants_are_apart(cache: &dyn Cache, a: &TenantId, b: &TenantId) -> Result<(), CacheError> {
    let same = key("answer", "same");
    cache.put(a, &same, Bytes::from_static(b"of a"), LONG).await?;
    assert_eq!(cache.get(b, &same).await?, None);
    cache.remove(b, &same).await?;
    cache.put(b, &same, Bytes::from_static(b"of b"), LONG).await?;
    assert_eq!(cache.get(a, &same).await?.as_deref(), Some(b"of a".as_slice()));
    Ok(())
}

async fn values_end(cache: &dyn Cache, tenant: &TenantId) -> Result<(), CacheError> {
    let brief = key("answer", "brief");
    cache.put(tenant, &brief, Bytes::from_static(b"brief"), Duration::ZERO).await?;
    assert_eq!(cache.get(tenant, &brief).await?, None, "no time to live");
    cache.put(tenant, &brief, Bytes::from_static(b"brief"), SHORT).await?;
    while cache.get(tenant, &brief).await?.is_some() {
        tokio::time::sleep(LOOK).await;
    }
    cache.put(tenant, &brief, Bytes::from_static(b"brief"), SHORT).await?;
    cache.put(tenant, &brief, Bytes::from_static(b"longer"), LONG).await?;
    let lasting = key("answer", "marks the time");
    cache.put(tenant, &lasting, Bytes::new(), SHORT * 2).await?;
    while cache.get(tenant, &lasting).await?.is_some() {
        tokio::time::sleep(LOOK).await;
    }
    assert!(cache.get(tenant, &brief).await?.is_some(), "the newest time to live holds");
    cache.put(tenant, &brief, Bytes::from_static(b"ever"), Duration::MAX).await?;
    assert!(cache.get(tenant, &brief).await?.is_some(), "as long as may be");
    Ok(())
}

async fn counts_add_up(counter: &dyn Counter, a: &TenantId, b: &TenantId) -> Result<(), CacheError> {
    let tokens = key("rate", "tokens");
    assert_eq!(counter.add(a, &tokens, 0, LONG).await?, 0, "reading starts at 0");
    assert_eq!(counter.add(a, &tokens, 100, LONG).await?, 100);
    assert_eq!(counter.add(a, &tokens, -30, LONG).await?, 70, "gives back what was reserved");
    assert_eq!(counter.add(a, &tokens, 0, LONG).await?, 70);
    assert_eq!(counter.add(b, &tokens, 1, LONG).await?, 1, "another tenant counts for itself");
    assert_eq!(counter.add(a, &tokens, -1_000, LONG).await?, 0, "never below 0");
    assert_eq!(counter.add(a, &tokens, 5, LONG).await?, 5);
    Ok(())
}

async fn windows_end(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let brief = key("rate", "brief");
    assert_eq!(counter.add(tenant, &brief, 7, SHORT).await?, 7);
    while counter.add(tenant, &brief, 0, SHORT).await? != 0 {
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(counter.add(tenant, &brief, 2, SHORT).await?, 2, "a new window starts at 0");
    Ok(())
}

async fn adders_at_once_lose_nothing(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let busy = key("rate", "busy");
    let adder = async || -> Result<(), CacheError> {
        for _ in 0..50 {
            counter.add(tenant, &busy, 3, LONG).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let (one, two, three) = tokio::join!(adder(), adder(), adder());
    one.and(two).and(three)?;
    assert_eq!(counter.add(tenant, &busy, 0, LONG).await?, 450);
    Ok(())
}
