//! Targets that go wrong together with requests under way: no client notices while another one is well.

use futures::future::join_all;
use http::StatusCode;

use super::{LIMIT, ask, config, serve};
use crate::harness::{Api, Faulty, Mood, Setup, until};

/// Asks at once, half of it as streams; every answer must be whole.
async fn all_answered(api: &Api, count: usize, what: &str) {
    let asked = (0..count).map(|number| ask(api, number % 2 == 0));
    for answer in join_all(asked).await {
        assert_eq!(answer.status, StatusCode::OK, "{what}: {}", answer.text());
        assert!(!answer.text().contains("\"error\""), "{what}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bursts_of_refusals_from_one_of_three_fail_no_request() {
    let all = [Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await];
    let [a, b, c] = &all;
    // How much second tries may cost is another walk's; here everybody gets one.
    let server = serve(
        &[a, b, c],
        "retries = { ratio = 1.0, per_second = 1000 }\nhealth = { eject = \"50ms\", open = \"50ms\" }",
    )
    .await;
    let api = server.admin();
    for mood in [Mood::Refusing(429), Mood::Refusing(500), Mood::Refusing(502), Mood::Refusing(503), Mood::Resetting] {
        for bad in &all {
            bad.becomes(mood);
            all_answered(&api, 12, &format!("{mood:?}")).await;
            bad.becomes(Mood::Well);
            all_answered(&api, 6, "after it").await;
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_at_a_target_that_dies_are_answered_elsewhere() {
    let (a, b, c) = (Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await);
    let server = serve(&[&a, &b, &c], "retries = { ratio = 1.0, per_second = 1000 }").await;
    let api = server.admin();
    b.becomes(Mood::Silent);
    let asking = tokio::spawn(async move { all_answered(&api, 40, "while it dies").await });
    until("requests that wait there", LIMIT, async || (b.open() >= 3).then_some(())).await;
    b.dies().await;
    asking.await.expect("every request is answered");
    server.stop().await;
}

/// An upstream whose name nobody knows: `.invalid` is kept for that by RFC 2606.
const NAMELESS: &str = "[[upstreams]]\nname = \"nameless\"\nkind = \"openai\"\nbase_url = \"http://nobody.invalid/v1\"\nconnect_timeout = \"3s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_found_is_tried_elsewhere() {
    let good = Faulty::start("good").await;
    let only = "[[models]]\nname = \"only\"\ntargets = [{ upstream = \"nameless\", model = \"m\" }]\n";
    let both = "[[models]]\nname = \"m\"\ntargets = [{ upstream = \"nameless\", model = \"m\", weight = 1000000 }, { upstream = \"good\", model = \"m\" }]\n";
    let server = Setup::new().tables(&(NAMELESS.to_owned() + &good.config("") + only + both)).start().await;
    let api = server.admin();
    assert_eq!(ask(&api, false).await.json()["choices"][0]["message"]["content"], "good");
    let alone = api.post("/v1/chat/completions", super::body("only", true)).await;
    assert_eq!(alone.headers["x-should-retry"], "false");
    let error = alone.refused(502);
    assert_eq!(error["code"], "upstream_error");
    assert!(!error.to_string().contains("nobody.invalid"), "addresses are for operators: {error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_three_answers_alone() {
    let all = [Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await];
    let [a, b, c] = &all;
    let settings = "retries = { ratio = 1.0, per_second = 1000 }";
    let server = Setup::new().tables(&config(&[a, b, c], settings)).start().await;
    a.dies().await;
    b.becomes(Mood::Refusing(503));
    for _ in 0..3 {
        all_answered(&server.admin(), 10, "the last").await;
    }
    assert_eq!(c.open(), 0);
    server.stop().await;
}
