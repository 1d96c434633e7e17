//! The bucket against the suite, and what it promises beyond it: parts, links, TLS, and words for what is wrong.
#![cfg(test)]

mod server;

use std::fs;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kubemate_identity::TenantId;
use kubemate_objects::{
    ByteStream, Directory, ObjectKey, ObjectStore, ObjectsError, S3, S3Config, S3Keys, collect, conformance, once,
};

use server::Server;

const MIB: usize = 1 << 20;

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

/// A body of so many MiB, each of another byte.
fn mebibytes(count: u8) -> ByteStream {
    futures::stream::iter(0..count).map(|n| Ok(Bytes::from(vec![n; MIB]))).boxed()
}

/// Waits until the server has forgotten all parts.
async fn tidied(server: &Server) {
    let begun = Instant::now();
    while server.unfinished() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "parts of an upload that was called off stay");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_fulfils_the_suite_also_below_a_prefix() {
    let server = Server::start().await;
    let store = S3::new(&server.config()).unwrap();
    conformance::run(&store).await.unwrap();
    let below = S3::new(&S3Config { prefix: "kubemate/test".to_owned(), ..server.config() }).unwrap();
    conformance::run(&below).await.unwrap();
    below.put(&tenant(), &key("files/one"), once("1")).await.unwrap();
    assert!(store.list(&tenant(), "").await.unwrap().is_empty());
    assert!(server.bucket().join("kubemate/test").join(tenant().as_str()).join("files/one@").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_goes_up_in_parts() {
    let server = Server::start().await;
    let store = S3::new(&server.config()).unwrap();
    for (count, parts) in [(5, 1), (6, 2), (17, 4)] {
        let stored = store.put(&tenant(), &key("files/large"), mebibytes(count)).await.unwrap();
        assert_eq!(stored.bytes, u64::from(count) << 20, "{parts} parts");
        let body = store.get(&tenant(), &key("files/large")).await.unwrap();
        let whole = collect(body, 64 * MIB).await.unwrap();
        assert!(whole.len() == usize::from(count) * MIB);
        assert!(whole.chunks(MIB).enumerate().all(|(n, piece)| piece.iter().all(|byte| usize::from(*byte) == n)));
        assert_eq!(server.unfinished(), 0);
    }
    let seam = (5 * MIB - 1) as u64..(5 * MIB + 1) as u64;
    let body = store.get_range(&tenant(), &key("files/large"), seam).await.unwrap();
    assert_eq!(collect(body, 10).await.unwrap().as_ref(), [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_that_fails_leaves_no_parts() {
    let server = Server::start().await;
    let store = S3::new(&server.config()).unwrap();
    store.put(&tenant(), &key("files/kept"), once("before")).await.unwrap();
    let lost = futures::stream::iter([Err(io::Error::other("the client is gone"))]);
    let torn = mebibytes(12).chain(lost).boxed();
    assert!(matches!(store.put(&tenant(), &key("files/kept"), torn).await, Err(ObjectsError::Body(_))));
    tidied(&server).await;
    let body = store.get(&tenant(), &key("files/kept")).await.unwrap();
    assert_eq!(collect(body, 10).await.unwrap(), "before");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_dropped_leaves_no_parts() {
    let server = Server::start().await;
    let store = S3::new(&server.config()).unwrap();
    let endless = mebibytes(12).chain(futures::stream::pending()).boxed();
    let (tenant, key) = (tenant(), key("files/dropped"));
    {
        let put = store.put(&tenant, &key, endless);
        let under_way = async {
            while server.unfinished() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = put => panic!("the body never ends"),
            () = under_way => {}
        }
    }
    tidied(&server).await;
    assert_eq!(store.stat(&tenant, &key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_can_become_a_bucket_and_back() {
    let server = Server::start().await;
    let folder = Directory::open(&server.bucket()).await.unwrap();
    folder.put(&tenant(), &key("files/old"), once("from the folder")).await.unwrap();
    let store = S3::new(&server.config()).unwrap();
    let body = store.get(&tenant(), &key("files/old")).await.unwrap();
    assert_eq!(collect(body, 100).await.unwrap(), "from the folder");
    store.put(&tenant(), &key("files/new"), once("from the bucket")).await.unwrap();
    assert_eq!(folder.list(&tenant(), "").await.unwrap(), [key("files/new"), key("files/old")]);
    assert_eq!(store.list(&tenant(), "files/").await.unwrap(), [key("files/new"), key("files/old")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_one_object_to_anybody() {
    let server = Server::start().await;
    let store = S3::new(&server.config()).unwrap();
    store.put(&tenant(), &key("files/shown"), once("for all")).await.unwrap();
    store.put(&tenant(), &key("files/other"), once("not this one")).await.unwrap();
    let link = store.link(&tenant(), &key("files/shown"), Duration::from_secs(60)).await.unwrap().unwrap();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let found = client.get(link.parse().unwrap()).await.unwrap();
    assert_eq!(found.into_body().collect().await.unwrap().to_bytes(), "for all");
    let turned = link.replace("files/shown", "files/other");
    assert_ne!(turned, link);
    assert_eq!(client.get(turned.parse().unwrap()).await.unwrap().status(), 403);
    let bare = link.split('?').next().unwrap();
    assert_eq!(client.get(bare.parse().unwrap()).await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_vouches_for_the_server() {
    let server = Server::secure().await;
    let stranger = S3::new(&server.config()).unwrap();
    let refused = stranger.check().await.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let store = S3::new(&S3Config { ca_file: Some(server.ca()), ..server.config() }).unwrap();
    conformance::run(&store).await.unwrap();
    store.put(&tenant(), &key("files/large"), mebibytes(11)).await.unwrap();
    assert_eq!(store.stat(&tenant(), &key("files/large")).await.unwrap(), Some(11 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said() {
    let server = Server::start().await;
    let check = async |config: S3Config| S3::new(&config).unwrap().check().await.unwrap_err().to_string();
    let keys = S3Keys { id: "KUBEMATETESTS".to_owned(), secret: "wrong".to_owned(), session: None };
    let refused = check(S3Config { keys: keys.clone(), ..server.config() }).await;
    assert!(refused.contains("403"), "{refused}");
    let no_bucket = check(S3Config { bucket: "nowhere".to_owned(), ..server.config() }).await;
    assert_eq!(no_bucket, "the server has no bucket `nowhere`");
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let unreachable = check(S3Config { endpoint, ..server.config() }).await;
    assert!(unreachable.to_lowercase().contains("refused"), "{unreachable}");
    assert!(!format!("{:?} {keys:?}", S3Config { keys: keys.clone(), ..server.config() }).contains("wrong"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Some(format!("http://{}", silent.local_addr().unwrap()));
    let timeout = Duration::from_millis(100);
    let store = S3::new(&S3Config { endpoint, timeout, ..Server::start().await.config() }).unwrap();
    assert!(matches!(store.check().await, Err(ObjectsError::Store(_))));
    assert!(matches!(store.put(&tenant(), &key("a"), once("b")).await, Err(ObjectsError::Store(_))));
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = S3Config { endpoint: Some("https://localhost:1".to_owned()), ..Server::start().await.config() };
    let refusal = |config: S3Config| match S3::new(&config) {
        Err(ObjectsError::Setup(told)) => told,
        other => panic!("{other:?}"),
    };
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Some(path)
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (ca_file, told) in [
        (Some(folder.path().join("none")), "cannot be read"),
        (file("empty", ""), "holds no certificate"),
        (file("broken", broken), "cannot be used"),
    ] {
        let refused = refusal(S3Config { ca_file, ..config.clone() });
        assert!(refused.contains(told), "{refused}");
    }
    assert!(refusal(S3Config { bucket: String::new(), ..config.clone() }).contains("no bucket"));
    assert!(refusal(S3Config { prefix: "../other".to_owned(), ..config.clone() }).contains("../other"));
    assert!(refusal(S3Config { part_bytes: 1 << 20, ..config.clone() }).contains("5 MiB"));
    assert!(refusal(S3Config { endpoint: Some("minio:9000".to_owned()), ..config }).contains("https://host:port"));
}
