//! The real server on a real Milvus: documents go in, cited answers come out, and Milvus may go away meanwhile.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, CHAT, Library, Milvus, Server, Setup, documents, facts, tenant, until};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(120);

async fn serve(milvus: &Milvus) -> Server {
    milvus.settings().into_iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, &value)).start().await
}

fn handbook() -> Vec<u8> {
    fs::read(documents().join("handbook.pdf")).expect("the document is there")
}

async fn ask(api: &Api, store: &str) -> Value {
    let question = json!({
        "model": CHAT, "messages": [{"role": "user", "content": facts()[0].question}],
        "vector_store_ids": [store], "max_tokens": 60, "temperature": 0,
    });
    api.post("/v1/chat/completions", question).await.json()
}

/// What readiness says of the vectors.
async fn vectors(server: &Server) -> bool {
    let ready = server.stranger().get("/readyz").await.json();
    let parts = ready["parts"].as_array().expect("parts");
    parts.iter().find(|part| part["name"] == "vectors").expect("vectors")["ok"].as_bool().expect("a flag")
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_on_milvus_are_cited_and_go_when_deleted() {
    let milvus = Milvus::start().await;
    let server = serve(&milvus).await;
    let api = tenant(&server, "milvus-walk").await;
    let library = Library::new(&api, "manuals").await;
    let file = library.index("handbook.pdf", &handbook()).await;
    let answer = ask(&api, &library.id).await;
    let notes = answer["choices"][0]["message"]["annotations"].as_array().cloned().unwrap_or_default();
    let page = |note: &Value| note["page"].as_u64() == facts()[0].page.map(u64::from);
    assert!(notes.iter().any(|note| note["file_id"] == json!(file) && page(note)), "{answer}");
    let text = library.text(&file).await;
    for note in &notes {
        let place = |key: &str| note[key].as_u64().expect("a place") as usize;
        assert_eq!(text[place("start")..place("end")].iter().collect::<String>(), note["quote"].as_str().unwrap());
    }
    let other = tenant(&server, "milvus-other").await;
    other.post(&library.path("/search"), json!({"query": "guarantee"})).await.refused(404);
    let theirs = Library::new(&other, "theirs").await;
    theirs.index("theirs.txt", "The guarantee of nothing lasts for ever.".as_bytes()).await;
    let hits = theirs.search(facts()[0].question, 50).await;
    assert!(!hits.is_empty() && hits.iter().all(|hit| hit["file_id"] != json!(file)), "{hits:?}");
    assert_eq!(api.delete(&format!("/v1/files/{file}")).await.json()["deleted"], true);
    assert!(library.search(facts()[0].question, 50).await.is_empty(), "deleted is gone at once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_milvus_readiness_says_so_and_documents_wait() {
    let mut milvus = Milvus::start().await;
    let server = serve(&milvus).await;
    let api = tenant(&server, "milvus-down").await;
    let library = Library::new(&api, "manuals").await;
    let before = library.index("first.txt", "The attic is painted green.".as_bytes()).await;
    assert!(vectors(&server).await);
    milvus.stop();
    until("readiness to notice", SOON, async || (!vectors(&server).await).then_some(())).await;
    assert_eq!(server.stranger().get("/readyz").await.json()["status"], "degraded");
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4});
    assert!(api.post("/v1/chat/completions", chat).await.json()["choices"][0]["message"].is_object(), "chat goes on");
    let refused = api.post(&library.path("/search"), json!({"query": "attic"})).await;
    assert_eq!(refused.status.as_u16(), 503, "{}", refused.text());
    let waiting = library.add("second.txt", "The cellar is painted red.".as_bytes()).await;
    milvus.start_again().await;
    assert_eq!(library.settled(&waiting).await["status"], "completed");
    until("readiness to return", SOON, async || vectors(&server).await.then_some(())).await;
    let found = library.search("What colour is the attic?", 5).await;
    assert!(found.iter().any(|hit| hit["file_id"] == json!(before)), "{found:?}");
    server.stop().await;
}
