//! The adapters against the suite, and what the in-process one promises beyond it.
#![cfg(test)]

mod redis;
mod server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kubemate_cache::{Cache, CacheConfig, CacheKey, Counter, Local, MemoryCache, conformance};
use kubemate_identity::TenantId;

const HOUR: Duration = Duration::from_secs(3600);

fn small() -> Local {
    Local::new(&CacheConfig { max_bytes: 1 << 20 })
}

#[tokio::test]
async fn memory_fulfils_the_suite() {
    conformance::run(&MemoryCache::default()).await.unwrap();
}

#[tokio::test]
async fn local_fulfils_the_suite() {
    conformance::run(&small()).await.unwrap();
}

#[tokio::test]
async fn local_stays_within_its_bytes() {
    let (cache, tenant) = (small(), TenantId::default_tenant());
    for n in 0..100_u32 {
        let key = CacheKey::new("answer", &[n.to_le_bytes()]);
        cache.put(&tenant, &key, Bytes::from(vec![0; 100_000]), HOUR).await.unwrap();
    }
    assert!((1..=1 << 20).contains(&cache.bytes().await));
    let large = CacheKey::new("answer", &["larger than all"]);
    cache.put(&tenant, &large, Bytes::from(vec![0; 2 << 20]), HOUR).await.unwrap();
    assert!(cache.bytes().await <= 1 << 20);
    assert_eq!(cache.get(&tenant, &large).await.unwrap(), None);
}

#[tokio::test]
async fn local_forgets_what_has_ended() {
    let (cache, tenant) = (small(), TenantId::default_tenant());
    let key = CacheKey::new("answer", &["brief"]);
    cache.put(&tenant, &key, Bytes::from(vec![0; 1000]), Duration::from_millis(1)).await.unwrap();
    while cache.bytes().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_at_once_lose_no_count() {
    let (cache, tenant) = (Arc::new(small()), TenantId::default_tenant());
    let key = CacheKey::new("rate", &["threads"]);
    let adders = (0..8).map(|_| {
        let (cache, tenant) = (cache.clone(), tenant.clone());
        tokio::spawn(async move {
            for _ in 0..1000 {
                cache.add(&tenant, &key, 1, HOUR).await.unwrap();
            }
        })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.unwrap();
    }
    assert_eq!(cache.add(&tenant, &key, 0, HOUR).await.unwrap(), 8000);
}

#[test]
fn parts_do_not_run_together() {
    assert_ne!(CacheKey::new("k", &["ab", "c"]), CacheKey::new("k", &["a", "bc"]));
    assert_ne!(CacheKey::new("k", &["ab"]), CacheKey::new("k", &["ab", ""]));
    let shown = CacheKey::new("answer", &["secret prompt"]).to_string();
    assert!(shown.starts_with("answer:") && shown.len() == 7 + 64, "{shown}");
}
