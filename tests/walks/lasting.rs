//! Streams that outlast what allows them, and the traces that requests leave.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Api, CHAT, Opened, Server, Setup, until};

/// A stream that would go on for thousands of tokens: the tokens that end an answer are forbidden.
async fn endless(api: &Api) -> Opened {
    let body = json!({
        "model": CHAT, "stream": true, "max_tokens": 6000, "logit_bias": {"0": -100, "2": -100},
        "messages": [{"role": "user", "content": "Count."}],
    });
    let mut open = api.open(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(open.0.status(), 200);
    open.next().await.expect("the answer begins");
    open
}

/// The error that ends a stream; nothing may follow it.
fn last_error(text: &str) -> Value {
    let last = text.trim_end().rsplit("\n\n").next().expect("an event");
    let event: Value = serde_json::from_str(last.strip_prefix("data: ").expect("a data line")).expect("JSON");
    event["error"].clone()
}

async fn key(server: &Server, scopes: &[&str]) -> (String, Api) {
    let made = server.admin().post("/admin/v1/tenants/default/keys", json!({"name": "walk", "scopes": scopes})).await;
    let made = made.json();
    (made["id"].as_str().expect("an id").to_owned(), server.caller(made["key"].as_str().expect("a key")))
}

/// Rows of the default tenant's trail with this action.
async fn trail(server: &Server, action: &str) -> Vec<Value> {
    let rows = server.admin().get("/admin/v1/tenants/default/audit?limit=1000").await.json();
    let rows = rows["data"].as_array().expect("rows").clone();
    rows.into_iter().filter(|row| row["action"] == action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_ends_when_its_key_is_revoked() {
    let server = Server::start().await;
    let (id, api) = key(&server, &["chat"]).await;
    let open = endless(&api).await;
    let revoked = server.admin().delete(&format!("/admin/v1/tenants/default/keys/{id}")).await;
    assert_eq!(revoked.status, 204);
    let error = last_error(&open.whole().await.text());
    assert_eq!(error["code"], "invalid_api_key", "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_stop_cuts_says_so_and_is_billed() {
    let mut server = Setup::new().set("server.grace", "1s").start().await;
    let open = endless(&server.admin()).await;
    server.terminate();
    let error = last_error(&open.whole().await.text());
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(server.ended(Duration::from_secs(20)).await.success());
    let server = server.setup().clone().start().await;
    let calls = trail(&server, "model.call").await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    let usage = server.admin().get("/admin/v1/tenants/default/usage").await.json();
    let row = &usage["data"][0];
    assert!(row["completion_tokens"].as_u64().expect("a count") > 0, "{usage}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_and_what_was_asked_is_in_the_tenants_trail() {
    let server = Server::start().await;
    let (id, api) = key(&server, &["embeddings"]).await;
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "hi"}]});
    api.post("/v1/chat/completions", chat).await.refused(403);
    let unknown = server.admin().delete("/admin/v1/tenants/default/keys/key_unknown").await;
    assert_eq!(unknown.status, 404);
    api.post("/v1/embeddings", json!({"model": "multilingual-e5-small", "input": "hi"})).await.json();
    api.post("/v1/embeddings", json!({"model": "multilingual-e5-small", "input": "hi", "dimensions": 5}))
        .await
        .refused(400);
    let calls = until("both calls", Duration::from_secs(30), async || {
        Some(trail(&server, "model.call").await).filter(|calls| calls.len() == 2)
    })
    .await;
    let outcomes: Vec<_> = calls.iter().map(|row| (row["actor"].clone(), row["outcome"].clone())).collect();
    assert_eq!(outcomes, [(json!(id), json!("failed")), (json!(id), json!("ok"))], "newest first");
    let denied = trail(&server, "request.denied").await;
    assert_eq!(denied.iter().map(|row| row["actor"].clone()).collect::<Vec<_>>(), [json!(id)]);
    let revokes = trail(&server, "key.revoke").await;
    assert_eq!(revokes.iter().map(|row| row["outcome"].clone()).collect::<Vec<_>>(), ["failed", "begun"]);
    server.stop().await;
}
