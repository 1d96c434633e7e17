//! A Redis that refuses writes, or comes back with nothing: chat goes on, and no budget is forgotten.

use serde_json::{Value, json};

use super::{LIMIT, ask, body, config};
use crate::harness::{Api, Faulty, Redis, Server, Setup, tenant, until};

async fn before(one: &Faulty, redis: &Redis) -> Server {
    let text = config(&[one], "").replace("targets", "cache = { ttl = \"10m\" }\ntargets");
    let setup = redis.settings().iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value));
    let server = setup.tables(&text).start().await;
    until("the Redis", LIMIT, async || {
        let parts = server.stranger().get("/readyz").await.json()["parts"].clone();
        parts.as_array()?.iter().find(|part| part["name"] == "cache" && part["ok"] == true).map(|_| ())
    })
    .await;
    server
}

async fn limit(server: &Server, subject: &str, caps: Value) {
    let put = server.admin().call(http::Method::PUT, &format!("/admin/v1/limits/{subject}"), Some(caps)).await;
    assert!(put.status.is_success(), "{}", put.text());
}

/// Asks for something that nobody asked before.
async fn new_words(api: &Api, number: usize, streams: bool) -> u16 {
    let mut asked = body("m", streams);
    asked["messages"][0]["content"] = json!(format!("Words {number}"));
    let answer = api.post("/v1/chat/completions", asked).await;
    assert!(answer.status != 200 || answer.text().contains("one"), "{}", answer.text());
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_writes_stops_nobody() {
    let (one, redis) = (Faulty::start("one").await, Redis::start());
    let server = before(&one, &redis).await;
    let api = tenant(&server, "writes").await;
    limit(&server, "tenant/writes", json!({"rpm": 1000, "tpm": 1_000_000, "concurrency": 5})).await;
    assert_eq!(new_words(&api, 0, false).await, 200);
    redis.reads_only();
    for number in 1..20 {
        assert_eq!(new_words(&api, number, number % 2 == 0).await, 200, "{number}");
    }
    limit(&server, "tenant/writes", json!({"rpm": 1})).await;
    assert_eq!(ask(&api, false).await.status, 429, "this process counted what it let in alone");
    redis.writes_again();
    limit(&server, "tenant/writes", json!({"rpm": 1000})).await;
    for number in 30..40 {
        assert_eq!(new_words(&api, number, number % 2 == 0).await, 200, "{number}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_empty_forgets_no_budget() {
    let (one, mut redis) = (Faulty::start("one").await, Redis::start());
    let server = before(&one, &redis).await;
    let api = tenant(&server, "empty").await;
    let spent = async || {
        let usage = server.admin().get("/admin/v1/tenants/empty/usage").await.json();
        let tokens =
            |row: &Value| row["prompt_tokens"].as_u64().unwrap_or(0) + row["completion_tokens"].as_u64().unwrap_or(0);
        usage["data"].as_array().expect("rows").iter().map(tokens).sum::<u64>()
    };
    for number in 0..5 {
        assert_eq!(new_words(&api, number, false).await, 200);
    }
    let used = until("the rows", LIMIT, async || Some(spent().await).filter(|tokens| *tokens >= 20)).await;
    limit(&server, "tenant/empty", json!({"daily_tokens": used})).await;
    assert_eq!(ask(&api, false).await.refused(429)["code"], "insufficient_quota");
    redis.stop();
    assert_eq!(ask(&api, false).await.refused(429)["code"], "insufficient_quota", "without it");
    redis.start_again();
    for _ in 0..5 {
        assert_eq!(ask(&api, false).await.refused(429)["code"], "insufficient_quota", "it came back with nothing");
    }
    limit(&server, "tenant/empty", json!({"daily_tokens": 1_000_000})).await;
    assert_eq!(ask(&api, false).await.status, 200);
    server.stop().await;
}
