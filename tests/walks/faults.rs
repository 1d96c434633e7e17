//! Upstreams that refuse, break off, stall, die and return: what clients see of it, and what upstreams are spared.

mod leaving;
mod outages;
mod redis;
mod streams;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Answer, Api, EVENTS, Faulty, Mood, Server, Setup, until};

/// Longest wait for what takes milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

fn body(model: &str, streams: bool) -> Value {
    json!({"model": model, "stream": streams, "messages": [{"role": "user", "content": "Hi"}]})
}

async fn ask(api: &Api, streams: bool) -> Answer {
    api.post("/v1/chat/completions", body("m", streams)).await
}

/// A model `m` over all of `upstreams`, each with these settings.
fn config(upstreams: &[&Faulty], settings: &str) -> String {
    let entries: String = upstreams.iter().map(|upstream| upstream.config(settings)).collect();
    let name = |upstream: &&Faulty| {
        let config = upstream.config("");
        format!("{{ upstream = {}, model = \"m\" }}", config.split('"').nth(1).map(|name| format!("{name:?}")).unwrap())
    };
    let targets: Vec<String> = upstreams.iter().map(name).collect();
    format!("{entries}[[models]]\nname = \"m\"\ntargets = [{}]\n", targets.join(", "))
}

async fn serve(upstreams: &[&Faulty], settings: &str) -> Server {
    Setup::new().tables(&config(upstreams, settings)).start().await
}

/// The data of every event.
fn events(text: &str) -> Vec<String> {
    text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_before_the_first_byte_is_tried_elsewhere() {
    let (bad, good) = (Faulty::start("bad").await, Faulty::start("good").await);
    let server =
        serve(&[&bad, &good], "first_byte_timeout = \"300ms\"\nhealth = { failures = 1000, requests = 1000 }").await;
    let api = server.admin();
    for mood in [
        Mood::Refusing(429),
        Mood::Refusing(500),
        Mood::Refusing(503),
        Mood::Resetting,
        Mood::ResettingAfter(0),
        Mood::StallingAfter(0),
    ] {
        bad.becomes(mood);
        let before = bad.seen();
        // The target is drawn; a busy one is left alone for a moment, so that it may take a while until it is asked.
        until("a request to the bad target", LIMIT, async || {
            let answer = ask(&api, true).await;
            assert_eq!(answer.status, StatusCode::OK, "{mood:?}: {}", answer.text());
            let events = events(&answer.text());
            assert_eq!((events.len(), events.last().unwrap().as_str()), (EVENTS + 2, "[DONE]"), "{mood:?}");
            (bad.seen() > before).then_some(())
        })
        .await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_mistake_is_tried_nowhere_else() {
    let (one, two) = (Faulty::start("one").await, Faulty::start("two").await);
    let server = serve(&[&one, &two], "").await;
    one.becomes(Mood::Refusing(400));
    two.becomes(Mood::Refusing(400));
    for asked in 1..=5 {
        ask(&server.admin(), false).await.refused(400);
        assert_eq!(one.seen() + two.seen(), asked);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_that_dies_and_returns_fails_no_request() {
    let all = [Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await];
    let [a, b, c] = &all;
    let server = serve(&[a, b, c], "health = { eject = \"100ms\", open = \"100ms\" }").await;
    let api = server.admin();
    let load = |count: usize| {
        let api = api.clone();
        async move {
            let asked = (0..count).map(|number| {
                let api = api.clone();
                async move { ask(&api, number % 2 == 0).await }
            });
            for answer in join_all(asked).await {
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
                assert!(!answer.text().contains("\"error\""), "{}", answer.text());
            }
        }
    };
    load(60).await;
    assert!(all.iter().all(|one| one.seen() > 0));
    // Nothing is under way when it dies: an answer that has begun cannot be begun anew.
    b.dies().await;
    for _ in 0..5 {
        load(20).await;
    }
    b.returns().await;
    let before = b.seen();
    until("the target that returned is asked again", LIMIT, async || {
        load(12).await;
        (b.seen() > before + 3).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_tries_stay_within_their_budget() {
    const ASKED: usize = 150;
    let all = [Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await];
    all.iter().for_each(|one| one.becomes(Mood::Refusing(500)));
    let [a, b, c] = &all;
    // No circuit opens, so that the budget alone keeps second tries down.
    let server = serve(&[a, b, c], "health = { failures = 100000, requests = 100000 }").await;
    let api = server.admin();
    let begun = Instant::now();
    for _ in 0..ASKED {
        let refused = ask(&api, false).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{}", refused.text());
        assert_eq!(refused.headers["x-should-retry"], "false");
    }
    let seconds = begun.elapsed().as_secs_f64() + 1.0;
    let seen: usize = all.iter().map(Faulty::seen).sum();
    let most = ASKED as f64 * 1.2 + 3.0 * 10.0 * seconds;
    assert!(seen >= ASKED && (seen as f64) <= most, "{seen} for {ASKED} requests, at most {most}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_busy_everywhere_is_told_when_to_come_back() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    one.becomes(Mood::Refusing(429));
    let refused = ask(&server.admin(), false).await;
    assert_eq!(refused.headers["x-should-retry"], "false");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.refused(429)["type"], "rate_limit_error");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_fails_is_left_alone() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "health = { open = \"60s\" }").await;
    one.becomes(Mood::Refusing(500));
    for _ in 0..60 {
        assert_eq!(ask(&server.admin(), false).await.headers["x-should-retry"], "false");
    }
    assert_eq!(one.seen(), 20, "then its circuit is open");
    let told = ask(&server.admin(), false).await.refused(503);
    assert_eq!(told["code"], "upstream_error", "{told}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stalls_or_breaks_off_ends_with_an_error_and_no_done() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "gap_timeout = \"200ms\"").await;
    for mood in [Mood::StallingAfter(3), Mood::ResettingAfter(3)] {
        one.becomes(mood);
        let answer = ask(&server.admin(), true).await;
        assert_eq!(answer.status, StatusCode::OK);
        let events = events(&answer.text());
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{mood:?}: {}", answer.text());
        assert!(!answer.text().contains("[DONE]"), "{mood:?}");
        until("the upstream's connection is closed", LIMIT, async || (one.open() == 0).then_some(())).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_the_upstream_connection_with_it() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    for mood in [Mood::StallingAfter(0), Mood::StallingAfter(2)] {
        one.becomes(mood);
        let api = server.caller(crate::harness::ADMIN);
        let asking = tokio::spawn(async move {
            let mut open = api.open(Method::POST, "/v1/chat/completions", Some(body("m", true))).await;
            while open.next().await.is_some() {}
        });
        until("an answer under way", LIMIT, async || (one.open() == 1).then_some(())).await;
        asking.abort();
        until("the upstream's connection is closed", LIMIT, async || (one.open() == 0).then_some(())).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_stands_in_where_the_key_may_use_it() {
    let (dead, spare) = (Faulty::start("dead").await, Faulty::start("spare").await);
    let model = |name: &str, upstream: &str, more: &str| {
        format!("[[models]]\nname = \"{name}\"\ntargets = [{{ upstream = \"{upstream}\", model = \"m\" }}]\n{more}\n")
    };
    let text =
        dead.config("") + &spare.config("") + &model("m", "dead", "fallbacks = [\"s\"]") + &model("s", "spare", "");
    let server = Setup::new().tables(&text).start().await;
    dead.dies().await;
    let answer = ask(&server.admin(), false).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "spare");
    let key = json!({"name": "only m", "models": ["m"]});
    let key = server.admin().post("/admin/v1/tenants/default/keys", key).await.json();
    let bound = server.caller(key["key"].as_str().unwrap());
    ask(&bound, false).await.refused(502);
    server.stop().await;
}

/// A port whose queue is full, so that further connections are never made. Both ends are kept with it.
async fn full_port() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    (address, waiting, listener)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_made_in_time_is_tried_elsewhere() {
    let good = Faulty::start("good").await;
    let (address, _waiting, _listener) = full_port().await;
    let slow = format!(
        "[[upstreams]]\nname = \"slow\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\nconnect_timeout = \"200ms\"\n"
    );
    let model = "[[models]]\nname = \"m\"\ntargets = [{ upstream = \"slow\", model = \"m\", weight = 1000000 }, { upstream = \"good\", model = \"m\" }]";
    let server = Setup::new().tables(&(slow + &good.config("") + model)).start().await;
    assert_eq!(ask(&server.admin(), false).await.json()["choices"][0]["message"]["content"], "good");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_scaled_to_zero_is_waited_for() {
    let sleeper = Faulty::start("sleeper").await;
    let server = serve(&[&sleeper], "wake_timeout = \"60s\"").await;
    sleeper.becomes(Mood::Refusing(503));
    let api = server.admin();
    let asking = tokio::spawn(async move { ask(&api, false).await });
    until("the activator was asked twice", LIMIT, async || (sleeper.seen() > 1).then_some(())).await;
    sleeper.becomes(Mood::Well);
    assert_eq!(asking.await.unwrap().json()["choices"][0]["message"]["content"], "sleeper");
    server.stop().await;
}
