//! Answers that are given again: in both shapes, to many at once, and while the cache's server is gone.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Event, Redis, Server, Setup, Upstream, tenant, until};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(60);

async fn before(upstream: &Upstream, settings: &[(&str, String)]) -> Server {
    let [upstreams, (models, value)] = upstream.named("there");
    let value = value.replace("targets", "cache = { ttl = '10m' }, targets");
    let settings = settings.iter().cloned().chain([upstreams, (models, value)]);
    settings.fold(Setup::new(), |setup, (key, value)| setup.set(key, &value)).start().await
}

fn question(words: &str) -> Value {
    json!({"model": "there", "messages": [{"role": "user", "content": words}]})
}

async fn ask(api: &Api, words: &str) -> Answer {
    api.post("/v1/chat/completions", question(words)).await
}

fn state(answer: &Answer) -> &str {
    answer.headers["x-kubemate-cache"].to_str().expect("text")
}

/// What a stream says, put together; its events are those of one answer.
fn text(events: &[Event]) -> String {
    assert_eq!(events.last().expect("an end").data, "[DONE]");
    let chunks: Vec<Value> = events[..events.len() - 1].iter().map(Event::json).collect();
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["object"] == "chat.completion.chunk"));
    let pieces = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str());
    pieces.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_in_both_shapes() {
    let upstream = Upstream::start().await;
    upstream.answer(1000);
    let server = before(&upstream, &[]).await;
    let api = tenant(&server, "again").await;
    for (plain_first, words) in [(true, "Repeat: plain"), (false, "Repeat: a stream")] {
        let asked = upstream.asked().len();
        let said = words.strip_prefix("Repeat: ").expect("its words");
        if plain_first {
            assert_eq!(state(&ask(&api, words).await), "miss");
        }
        let events = api.stream("/v1/chat/completions", question(words)).await;
        assert_eq!(text(&events), said);
        assert!(!events.iter().any(|event| event.data.contains("\"usage\"")), "nobody asked for counts");
        let mut counted = question(words);
        counted["stream_options"] = json!({"include_usage": true});
        let counted = api.stream("/v1/chat/completions", counted).await;
        assert_eq!(counted[counted.len() - 2].json()["usage"]["total_tokens"], 30);
        let plain = ask(&api, words).await;
        assert_eq!(state(&plain), "hit");
        assert_eq!(plain.json()["choices"][0]["message"]["content"], said);
        assert_eq!(plain.json()["usage"]["total_tokens"], 30);
        assert_eq!(upstream.asked().len(), asked + 1, "the model was asked once: {words}");
    }
    let other = tenant(&server, "again-other").await;
    assert_eq!(state(&ask(&other, "Repeat: plain").await), "miss", "another tenant asks for itself");
    let mut body = question("Repeat: plain");
    body["cache"] = json!({"no-cache": true});
    assert_eq!(state(&api.post("/v1/chat/completions", body.clone()).await), "miss");
    assert!(upstream.asked().iter().all(|asked| asked.get("cache").is_none()), "upstreams do not know the field");
    body["cache"] = json!({"nonsense": true});
    assert_eq!(api.post("/v1/chat/completions", body).await.refused(400)["param"], "cache");
    server.stop().await;
}

/// Requests that are being answered now.
async fn in_flight(server: &Server) -> f64 {
    let metrics = server.stranger().get("/metrics").await.text();
    let line = metrics.lines().find(|line| line.starts_with("kubemate_requests_in_flight")).expect("a gauge");
    line.rsplit(' ').next().expect("a value").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_are_one_call_for_each_tenant() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let tenants = [tenant(&server, "thousand").await, tenant(&server, "thousand-too").await];
    let asking = tokio::spawn(async move {
        join_all((0..1000).map(|at| {
            let api = tenants[at % 2].clone();
            async move { ask(&api, "Hello?").await }
        }))
        .await
    });
    until("all requests", SOON, async || (in_flight(&server).await >= 1000.0).then_some(())).await;
    upstream.answer(1000);
    let answers = asking.await.expect("nobody panicked");
    assert!(answers.iter().all(|answer| answer.json()["choices"][0]["message"]["content"] == "Hello"));
    assert_eq!(upstream.asked().len(), 2, "one call for each tenant");
    assert_eq!(answers.iter().filter(|answer| state(answer) == "miss").count(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_fails_nobody_who_waits_with_it() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let api = tenant(&server, "leaver").await;
    let spawn = |api: Api| tokio::spawn(async move { ask(&api, "Hello?").await });
    let leader = spawn(api.clone());
    until("the first call", SOON, async || (upstream.asked().len() == 1).then_some(())).await;
    let others = [spawn(api.clone()), spawn(api.clone())];
    until("the others", SOON, async || (in_flight(&server).await >= 3.0).then_some(())).await;
    leader.abort();
    until("another call", SOON, async || (upstream.asked().len() == 2).then_some(())).await;
    upstream.answer(2);
    for other in others {
        assert_eq!(other.await.expect("nobody panicked").json()["choices"][0]["message"]["content"], "Hello");
    }
    assert_eq!(upstream.asked().len(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_and_comes_back_is_noticed_by_operators_only() {
    let (upstream, mut redis) = (Upstream::start().await, Redis::start());
    upstream.answer(1000);
    let (left, right) = (before(&upstream, &redis.settings()).await, before(&upstream, &redis.settings()).await);
    let ready = async |server: &Server| server.stranger().get("/readyz").await;
    for server in [&left, &right] {
        until("the Redis", SOON, async || (ready(server).await.json()["status"] != "degraded").then_some(())).await;
    }
    let (one, two) = (left.admin(), right.admin());
    assert_eq!(state(&ask(&one, "Repeat: shared").await), "miss");
    until("what the other kept", SOON, async || (state(&ask(&two, "Repeat: shared").await) == "hit").then_some(()))
        .await;
    redis.stop();
    assert_eq!(state(&ask(&two, "Repeat: shared").await), "hit", "seen by this process");
    for words in ["Repeat: without", "Repeat: it"] {
        assert_eq!(ask(&one, words).await.json()["choices"][0]["message"]["content"], words[8..]);
        assert_eq!(text(&two.stream("/v1/chat/completions", question(words)).await), words[8..]);
    }
    let degraded = ready(&left).await;
    let part = degraded.json()["parts"].as_array().expect("parts").iter().find(|part| part["name"] == "cache").cloned();
    assert_eq!((degraded.status.as_u16(), part.expect("a part")["ok"] == false), (200, true), "{}", degraded.text());
    redis.start_again();
    until("the Redis", SOON, async || {
        let parts = ready(&left).await.json()["parts"].clone();
        parts.as_array()?.iter().find(|part| part["name"] == "cache" && part["ok"] == true).map(|_| ())
    })
    .await;
    assert_eq!(state(&ask(&one, "Repeat: new").await), "miss");
    until("what the other kept", SOON, async || (state(&ask(&two, "Repeat: new").await) == "hit").then_some(())).await;
    left.stop().await;
    right.stop().await;
}
