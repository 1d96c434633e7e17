//! The adapters against the suite, and what the folder of this machine promises beyond it.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use kubemate_identity::TenantId;
use kubemate_objects::{Directory, MemoryObjects, ObjectKey, ObjectStore, ObjectsConfig, collect, conformance, once};

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn memory_fulfils_the_suite() {
    conformance::run(&MemoryObjects::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_fulfils_the_suite_also_twice() {
    let folder = tempfile::tempdir().unwrap();
    conformance::run(&Directory::open(folder.path()).await.unwrap()).await.unwrap();
    assert!(files_below(folder.path()).is_empty(), "nothing is left behind");
    conformance::run(&Directory::open(folder.path()).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn objects_are_there_after_reopening_and_only_for_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = ObjectsConfig::Directory.open(folder.path()).await.unwrap();
    let key = ObjectKey::parse("files/file-1").unwrap();
    store.put(&tenant(), &key, once("kept")).await.unwrap();
    drop(store);
    let store = Directory::open(folder.path()).await.unwrap();
    let body = store.get(&tenant(), &key).await.unwrap();
    assert_eq!(collect(body, 10).await.unwrap(), "kept");
    for file in files_below(folder.path()) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn opening_sweeps_leftovers_but_not_a_body_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::open(folder.path()).await.unwrap();
    let drafts = folder.path().join(".new");
    std::fs::write(drafts.join("leftover"), "half").unwrap();
    let (send, receive) = futures::channel::mpsc::unbounded();
    let key = ObjectKey::parse("files/slow").unwrap();
    let body = receive.boxed();
    let (store, tenant) = (std::sync::Arc::new(store), tenant());
    let writing = tokio::spawn({
        let (store, key, tenant) = (store.clone(), key.clone(), tenant.clone());
        async move { store.put(&tenant, &key, body).await }
    });
    send.unbounded_send(Ok(Bytes::from_static(b"first "))).unwrap();
    while files_below(&drafts).len() < 2 {
        tokio::task::yield_now().await;
    }
    Directory::open(folder.path()).await.unwrap();
    assert!(!drafts.join("leftover").exists());
    // The draft may have been seen before it was locked, and made anew: what counts is that its body arrives whole.
    send.unbounded_send(Ok(Bytes::from_static(b"second"))).unwrap();
    drop(send);
    assert_eq!(writing.await.unwrap().unwrap().bytes, 12);
    assert!(files_below(&drafts).is_empty());
}

#[tokio::test]
async fn a_dropped_upload_removes_its_draft() {
    let folder = tempfile::tempdir().unwrap();
    let store = Directory::open(folder.path()).await.unwrap();
    let key = ObjectKey::parse("files/dropped").unwrap();
    let endless = futures::stream::pending().boxed();
    let tenant = tenant();
    {
        let put = store.put(&tenant, &key, endless);
        let drafts = folder.path().join(".new");
        let until_there = async {
            while files_below(&drafts).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = put => panic!("the body never ends"),
            () = until_there => {}
        }
    }
    // Dropped while a blocking thread still makes the draft, the upload leaves it to that thread to remove it.
    while !files_below(folder.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn collecting_stops_at_the_limit() {
    let error = collect(once("four"), 3).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn keys_cannot_leave_their_folder() {
    for bad in
        ["", "/", "a/", "/a", "a//b", "..", "../b", "a/../b", ".new/x", "a/.hidden", "a\\b", "a b", "a\0", "文件", "a@"]
    {
        assert!(ObjectKey::parse(bad).is_err(), "{bad:?}");
    }
    assert!(ObjectKey::parse(&"a".repeat(201)).is_err());
    assert!(ObjectKey::parse(&["a"; 300].join("/")).is_err());
    for good in ["files/file-0190_a.pdf", "a", "texts/file-1/17"] {
        assert_eq!(ObjectKey::parse(good).unwrap().as_str(), good);
    }
    assert!(serde_json::from_str::<ObjectKey>("\"../../etc/passwd\"").is_err());
}
