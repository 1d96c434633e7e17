//! The suite on a real Milvus server, and what only a server can do: go away and come back.

mod server;

use std::time::Duration;

use kubemate_vectors::{
    AttributeValue, Bm25, Consistency, DenseQuery, LexicalQuery, MilvusConfig, SpaceSpec, VectorStore, VectorsConfig,
    VectorsError, conformance,
};

use self::server::Server;
use super::{point, space, spec, tenant, vector};

fn defaults() -> MilvusConfig {
    MilvusConfig {
        url: String::new(),
        token: None,
        database: String::new(),
        prefix: "kubemate".into(),
        ca_file: None,
        timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(30),
        consistency: Consistency::Strong,
        bm25: Bm25::Server,
    }
}

async fn open(server: &Server) -> std::sync::Arc<dyn VectorStore> {
    VectorsConfig::Milvus(config(server)).open(server.folder()).await.unwrap()
}

fn config(server: &Server) -> MilvusConfig {
    MilvusConfig { url: server.url(), ..defaults() }
}

#[tokio::test(flavor = "multi_thread")]
async fn milvus_fulfils_the_suite() {
    let server = Server::start();
    conformance::run(&*open(&server).await).await.unwrap();
}

/// As on servers that have no BM25 function.
#[tokio::test(flavor = "multi_thread")]
async fn milvus_with_our_own_weights_fulfils_the_suite() {
    let server = Server::start();
    let config = MilvusConfig { bm25: Bm25::Own, ..config(&server) };
    let store = VectorsConfig::Milvus(config).open(server.folder()).await.unwrap();
    conformance::run(&*store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_survives_the_end_of_the_server() {
    let mut server = Server::start();
    let store = open(&server).await;
    conformance::write_kept(&*store, &tenant()).await.unwrap();
    server.kill();
    assert!(store.check().await.is_err());
    server.revive();
    // The same client, then one that knows nothing yet.
    conformance::check_kept(&*store, &tenant()).await.unwrap();
    conformance::check_kept(&*open(&server).await, &tenant()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error_and_no_wait() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = MilvusConfig { url, connect_timeout: Duration::from_millis(200), ..defaults() };
    let store = VectorsConfig::Milvus(server).open(std::path::Path::new("")).await.unwrap();
    assert!(matches!(store.check().await, Err(VectorsError::Store { .. })));
    let written = store.ensure(&tenant(), &space("down"), &spec(4)).await;
    assert!(matches!(written, Err(VectorsError::Store { .. })), "{written:?}");
}

/// Milvus' own Python client finds every field, and the tenant where the partition key is.
#[tokio::test(flavor = "multi_thread")]
async fn others_can_read_what_is_there() {
    let server = Server::start();
    let store = open(&server).await;
    let name = space("vs_read-g0");
    store.ensure(&tenant(), &name, &SpaceSpec { dimensions: 4, embedder: "embedder@1".into() }).await.unwrap();
    let mut written = point(5, 4, "第十二条 存款保险");
    written.passage.page = Some(7);
    (written.passage.start, written.passage.end) = (40, 49);
    written.passage.attributes.insert("年度".into(), AttributeValue::Number(2024.0));
    store.upsert(&tenant(), &name, vec![written]).await.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/milvus/look.py");
    let output = std::process::Command::new(server::venv().join("bin/python")).arg(script).arg(server.url()).output();
    let output = output.unwrap();
    let told = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told:?}");
}

/// Two tenants write and search beside each other, each with the other's space and point ids.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_write_beside_each_other_and_see_their_own() {
    let server = Server::start();
    let store = open(&server).await;
    let own = async |name: &str| {
        let (tenant, name) = (kubemate_identity::TenantId::parse(name).unwrap(), space("shared"));
        store.ensure(&tenant, &name, &spec(4)).await.unwrap();
        for n in 0..12 {
            let text = format!("common {tenant}");
            store.upsert(&tenant, &name, vec![point(n, 4, &text)]).await.unwrap();
            for hit in found(&*store, &tenant).await {
                assert_eq!(hit, text);
            }
        }
        assert_eq!(store.count(&tenant, &name).await.unwrap(), 12);
    };
    tokio::join!(own("bank-a"), own("bank-b"));
}

async fn found(store: &dyn VectorStore, tenant: &kubemate_identity::TenantId) -> Vec<String> {
    let query = LexicalQuery { text: "common bank".into(), limit: 100, filter: None };
    let words = store.lexical(tenant, &space("shared"), query).await.unwrap();
    let query = DenseQuery { vector: vector(1, 4), limit: 100, filter: None };
    let near = store.dense(tenant, &space("shared"), query).await.unwrap();
    words.into_iter().chain(near).map(|hit| hit.passage.text).collect()
}
