//! What every adapter must do, as one suite. An adapter's tests start here.

use std::io;

use bytes::Bytes;
use futures::StreamExt;
use kubemate_identity::TenantId;

use crate::{ByteStream, ObjectKey, ObjectStore, ObjectsError, collect, once};

/// Room for everything the suite stores.
const WHOLE: usize = 16 << 20;
/// What `printf 银发 | sha256sum` prints.
const SHA256_OF_YINFA: &str = "ebe43b6fd588d39c56897af5f65d204c0b94648a5909f5af30a848af2788dd27";
/// What `printf '' | sha256sum` prints.
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Runs the suite. The store may hold other objects, but none of the tenants `suite-a` and `suite-b`.
///
/// # Errors
/// The store's own, where the suite expects none.
///
/// # Panics
/// When the store does not do what the trait says.
pub async fn run(store: &dyn ObjectStore) -> Result<(), ObjectsError> {
    let [a, b] = ["suite-a", "suite-b"].map(|name| TenantId::parse(name).ok());
    let (Some(a), Some(b)) = (a, b) else { unreachable!("the names are valid") };
    store.check().await?;
    what_is_put_comes_back(store, &a).await?;
    a_body_that_fails_changes_nothing(store, &a).await?;
    ranges_are_cut(store, &a).await?;
    tenants_are_apart(store, &a, &b).await?;
    lists_by_prefix(store, &a, &b).await?;
    writers_at_once_leave_one_whole(store, &a).await?;
    deletes_again_and_again(store, &[a, b]).await
}

async fn text(body: ByteStream) -> Result<Bytes, ObjectsError> {
    collect(body, WHOLE).await.map_err(ObjectsError::Body)
}

async fn what_is_put_comes_back(store: &dyn ObjectStore, tenant: &TenantId) -> Result<(), ObjectsError> {
    let key = ObjectKey::parse("files/first")?;
    assert!(matches!(store.get(tenant, &key).await, Err(ObjectsError::NotFound(_))), "nothing there yet");
    assert_eq!(store.stat(tenant, &key).await?, None);
    let pieces: Vec<io::Result<Bytes>> = (0..300).map(|n| Ok(Bytes::from(vec![n as u8; 10_007]))).collect();
    let stored = store.put(tenant, &key, futures::stream::iter(pieces).boxed()).await?;
    assert_eq!(stored.bytes, 3_002_100);
    let whole = text(store.get(tenant, &key).await?).await?;
    assert_eq!(whole.len(), 3_002_100);
    assert!(whole.chunks(10_007).enumerate().all(|(n, piece)| piece.iter().all(|byte| *byte == n as u8)));
    assert_eq!(store.stat(tenant, &key).await?, Some(3_002_100));
    let stored = store.put(tenant, &key, once("银发")).await?;
    assert_eq!((stored.bytes, stored.sha256.as_str()), (6, SHA256_OF_YINFA), "replaced");
    assert_eq!(text(store.get(tenant, &key).await?).await?, "银发".as_bytes());
    let empty = ObjectKey::parse("files/empty")?;
    let stored = store.put(tenant, &empty, futures::stream::empty().boxed()).await?;
    assert_eq!(stored.sha256, SHA256_OF_NOTHING);
    assert_eq!(store.stat(tenant, &empty).await?, Some(0));
    Ok(())
}

async fn a_body_that_fails_changes_nothing(store: &dyn ObjectStore, tenant: &TenantId) -> Result<(), ObjectsError> {
    let torn = || -> ByteStream {
        let lost = io::Error::new(io::ErrorKind::ConnectionReset, "the client is gone");
        futures::stream::iter([Ok(Bytes::from(vec![1; 2 << 20])), Err(lost)]).boxed()
    };
    let fresh = ObjectKey::parse("files/torn")?;
    assert!(matches!(store.put(tenant, &fresh, torn()).await, Err(ObjectsError::Body(_))));
    assert_eq!(store.stat(tenant, &fresh).await?, None, "no part of it is there");
    let kept = ObjectKey::parse("files/kept")?;
    store.put(tenant, &kept, once("before")).await?;
    assert!(matches!(store.put(tenant, &kept, torn()).await, Err(ObjectsError::Body(_))));
    assert_eq!(text(store.get(tenant, &kept).await?).await?, "before");
    Ok(())
}

async fn ranges_are_cut(store: &dyn ObjectStore, tenant: &TenantId) -> Result<(), ObjectsError> {
    let key = ObjectKey::parse("files/range")?;
    store.put(tenant, &key, once("0123456789")).await?;
    for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (8..99, "89"), (4..4, ""), (10..12, "")] {
        assert_eq!(text(store.get_range(tenant, &key, range).await?).await?, expected);
    }
    assert!(matches!(store.get_range(tenant, &key, 11..12).await, Err(ObjectsError::BadRange { length: 10, .. })));
    let (start, end) = (5, 4);
    assert!(matches!(store.get_range(tenant, &key, start..end).await, Err(ObjectsError::BadRange { .. })));
    let missing = ObjectKey::parse("files/none")?;
    assert!(matches!(store.get_range(tenant, &missing, 0..1).await, Err(ObjectsError::NotFound(_))));
    Ok(())
}

async fn tenants_are_apart(store: &dyn ObjectStore, a: &TenantId, b: &TenantId) -> Result<(), ObjectsError> {
    let key = ObjectKey::parse("files/same")?;
    store.put(a, &key, once("of a")).await?;
    assert_eq!(store.stat(b, &key).await?, None);
    assert!(matches!(store.get(b, &key).await, Err(ObjectsError::NotFound(_))));
    assert!(store.list(b, "").await?.is_empty());
    store.delete(b, &key).await?;
    store.put(b, &key, once("of b")).await?;
    assert_eq!(text(store.get(a, &key).await?).await?, "of a");
    assert_eq!(text(store.get(b, &key).await?).await?, "of b");
    Ok(())
}

async fn lists_by_prefix(store: &dyn ObjectStore, a: &TenantId, b: &TenantId) -> Result<(), ObjectsError> {
    for name in ["texts/f1/1", "texts/f1/2", "texts/f1", "texts/f10/1", "texts-more"] {
        store.put(a, &ObjectKey::parse(name)?, once(name)).await?;
    }
    for (prefix, expected) in [
        ("texts/f1/", vec!["texts/f1/1", "texts/f1/2"]),
        ("texts/f1", vec!["texts/f1", "texts/f1/1", "texts/f1/2", "texts/f10/1"]),
        ("texts", vec!["texts-more", "texts/f1", "texts/f1/1", "texts/f1/2", "texts/f10/1"]),
        ("none/", vec![]),
        ("../suite-b/", vec![]),
        ("/", vec![]),
    ] {
        let found: Vec<String> = store.list(a, prefix).await?.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "prefix `{prefix}`");
    }
    assert_eq!(text(store.get(a, &ObjectKey::parse("texts/f1")?).await?).await?, "texts/f1", "name and folder at once");
    assert_eq!(store.list(b, "").await?.len(), 1);
    Ok(())
}

async fn writers_at_once_leave_one_whole(store: &dyn ObjectStore, tenant: &TenantId) -> Result<(), ObjectsError> {
    let key = ObjectKey::parse("busy/one")?;
    let write = |n: u8| {
        let key = &key;
        async move {
            store.put(tenant, key, once(vec![n; 100_000])).await?;
            store.delete(tenant, &ObjectKey::parse(&format!("busy/gone-{n}"))?).await
        }
    };
    for result in futures::future::join_all((0..16).map(write)).await {
        result?;
    }
    let whole = text(store.get(tenant, &key).await?).await?;
    assert!(
        whole.len() == 100_000 && whole.iter().all(|byte| Some(byte) == whole.first()),
        "one writer's bytes, whole"
    );
    Ok(())
}

async fn deletes_again_and_again(store: &dyn ObjectStore, tenants: &[TenantId]) -> Result<(), ObjectsError> {
    for tenant in tenants {
        for key in store.list(tenant, "").await? {
            store.delete(tenant, &key).await?;
            store.delete(tenant, &key).await?;
            assert_eq!(store.stat(tenant, &key).await?, None);
        }
        assert!(store.list(tenant, "").await?.is_empty());
    }
    Ok(())
}
