//! Limits, the fair line before a model, and what is booked of it all.

mod shared;

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Server, Setup, Upstream, tenant, until};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(60);

/// A server in front of `upstream`, which answers for the model `there`.
async fn before(upstream: &Upstream, settings: &[(&str, &str)]) -> Server {
    set_up(upstream, settings).start().await
}

fn set_up(upstream: &Upstream, settings: &[(&str, &str)]) -> Setup {
    let named = upstream.named("there");
    let setup = named.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value));
    settings.iter().fold(setup, |setup, (key, value)| setup.set(key, value))
}

fn question(words: &str) -> Value {
    json!({"model": "there", "max_tokens": 10, "messages": [{"role": "user", "content": words}]})
}

async fn ask(api: &Api) -> Answer {
    api.post("/v1/chat/completions", question("Hello")).await
}

async fn limit(server: &Server, subject: &str, caps: Value) {
    server.admin().call(Method::PUT, &format!("/admin/v1/limits/{subject}"), Some(caps)).await.json();
}

/// The tokens that one question reserves, as a refusal tells them.
async fn reserved(server: &Server, api: &Api, subject: &str) -> u64 {
    limit(server, subject, json!({"tpm": 1})).await;
    let refused = ask(api).await;
    let message = refused.refused(429)["message"].as_str().expect("a message").to_owned();
    assert_eq!(refused.headers["x-should-retry"], "false", "no wait helps");
    let number = message.split(' ').find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number in {message}"))
}

fn header(answer: &Answer, name: &str) -> String {
    answer
        .headers
        .get(name)
        .unwrap_or_else(|| panic!("{name}: {:?}", answer.headers))
        .to_str()
        .expect("text")
        .to_owned()
}

async fn usage(server: &Server, query: &str) -> Vec<Value> {
    let sums = server.admin().get(&format!("/admin/v1/usage?{query}")).await.json();
    sums["data"].as_array().expect("a list").clone()
}

/// The tenant's usage once all of so many requests are booked.
async fn booked(server: &Server, tenant: &str, requests: u64) -> Value {
    until("the usage rows", SOON, async || {
        let sums = usage(server, &format!("tenant={tenant}&by=tenant")).await;
        sums.first().filter(|sum| sum["requests"].as_u64() >= Some(requests)).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_at_once_a_budget_for_37_lets_37_in() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[]).await;
    let api = tenant(&server, "budget").await;
    let each = reserved(&server, &api, "tenant/budget").await;
    limit(&server, "tenant/budget", json!({"daily_tokens": 37 * each + each - 1})).await;
    let asking = tokio::spawn({
        let api = api.clone();
        async move { join_all((0..100).map(|_| ask(&api))).await }
    });
    // The refused do not wait for the upstream, so all others have come there when 37 have and 64 are booked.
    until("the 37", SOON, async || (upstream.asked().len() >= 37).then_some(())).await;
    booked(&server, "budget", 64).await;
    assert_eq!(upstream.asked().len(), 37);
    upstream.uses(each - 10, 10);
    upstream.answer(100);
    let answers = asking.await.expect("nobody panicked");
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), refused.len()), (37, 63));
    for answer in refused {
        let error = answer.refused(429);
        assert_eq!(
            (error["code"].as_str(), error["type"].as_str()),
            (Some("insufficient_quota"), Some("insufficient_quota"))
        );
        assert_eq!(answer.headers["x-should-retry"], "false");
    }
    assert_eq!(ask(&api).await.status, 429, "everything is spent now");
    let sum = booked(&server, "budget", 102).await;
    let tokens = sum["prompt_tokens"].as_u64().unwrap_or(0) + sum["completion_tokens"].as_u64().unwrap_or(0);
    assert_eq!((tokens, sum["failed"].as_u64()), (37 * each, Some(65)), "0 overspent, and each request booked once");

    // A restart keeps the day's budget.
    let setup = server.setup().clone();
    server.stop().await;
    let server = setup.start().await;
    let api = server.caller(api.key.as_deref().expect("a key"));
    assert_eq!(ask(&api).await.refused(429)["code"], "insufficient_quota");
    limit(&server, "tenant/budget", json!({"daily_tokens": 38 * each})).await;
    assert_eq!(ask(&api).await.status, 200, "there is room for one more");
    assert_eq!(ask(&api).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_its_caller_stands() {
    let upstream = Upstream::start().await;
    upstream.answer(1000);
    let server = before(&upstream, &[("limits.key.tpm", "100000")]).await;
    let api = tenant(&server, "told").await;
    let unlimited = ask(&api).await;
    assert_eq!(header(&unlimited, "x-ratelimit-limit-tokens"), "100000");
    assert!(unlimited.headers.get("x-ratelimit-limit-requests").is_none());
    limit(&server, "tenant/told", json!({"rpm": 2})).await;
    let first = ask(&api).await;
    assert_eq!(first.status, 200);
    assert_eq!(header(&first, "x-ratelimit-limit-requests"), "2");
    assert_eq!(header(&first, "x-ratelimit-remaining-requests"), "1");
    assert!(header(&first, "x-ratelimit-reset-requests").ends_with('s'));
    let remaining: u64 = header(&first, "x-ratelimit-remaining-tokens").parse().expect("a number");
    assert!((99_000..100_000).contains(&remaining), "{remaining}");
    assert_eq!(ask(&api).await.status, 200);
    let third = ask(&api).await;
    let error = third.refused(429);
    assert_eq!((error["code"].as_str(), error["type"].as_str()), (Some("rate_limit_exceeded"), Some("requests")));
    assert_eq!(header(&third, "x-ratelimit-remaining-requests"), "0");
    let wait: u64 = header(&third, "retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(server.admin().delete("/admin/v1/limits/tenant/told").await.status, 204);
    assert_eq!(ask(&api).await.status, 200, "a change acts at once");
    let free = server.admin().get("/v1/models").await;
    assert!(!free.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_by_operators_alone_and_checked() {
    let upstream = Upstream::start().await;
    upstream.answer(1000);
    let server = before(&upstream, &[]).await;
    let api = tenant(&server, "set").await;
    let admin = server.admin();
    let put = async |subject: &str, caps: Value| {
        admin.call(Method::PUT, &format!("/admin/v1/limits/{subject}"), Some(caps)).await.status.as_u16()
    };
    assert_eq!(put("tenant/nobody", json!({"rpm": 1})).await, 404);
    assert_eq!(put("key/key_nobody", json!({"rpm": 1})).await, 404);
    assert_eq!(put("planet/earth", json!({"rpm": 1})).await, 400);
    assert_eq!(put("tenant/set", json!({})).await, 400);
    assert_eq!(put("tenant/set", json!({"rpm": -1})).await, 400);
    assert_eq!(put("tenant/set", json!({"rmp": 1})).await, 400);
    assert_eq!(put("tenant/set", json!({"parallel": 1})).await, 400);
    assert_eq!(put("model/there", json!({"parallel": 0})).await, 400);
    assert_eq!(put("tenant/set", json!({"rpm": 5000, "priority": "low"})).await, 200);
    assert_eq!(api.get("/admin/v1/limits").await.status, 403);
    let ruler = json!({"name": "ruler", "scopes": ["admin", "chat"]});
    let ruler = admin.post("/admin/v1/tenants/set/keys", ruler).await.json();
    let ruler = server.caller(ruler["key"].as_str().expect("a secret"));
    assert_eq!(ruler.delete("/admin/v1/limits/tenant/set").await.status, 403, "nobody lifts their own limits");
    let listed = admin.get("/admin/v1/limits").await.json();
    assert_eq!(listed["data"][0]["subject"], "set");
    assert_eq!((&listed["data"][0]["rpm"], &listed["data"][0]["priority"]), (&json!(5000), &json!("low")));
    assert!(listed["data"][0].get("tpm").is_none());
    let audit = admin.get("/admin/v1/audit?limit=100").await.text();
    assert!(audit.contains("limit.set"), "{audit}");

    let made = server.setup().command(&["--json", "keys", "create", "few", "--tenant", "set", "--rpm", "1"]).output();
    let key: Value = serde_json::from_slice(&made.expect("it runs").stdout).expect("JSON");
    let few = server.caller(key["key"].as_str().expect("a secret"));
    until("the limit made at the terminal", SOON, async || (ask(&few).await.status == 429).then_some(())).await;
    assert_eq!(ask(&api).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_waiting_holds_up_nobody_else() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[("limits.model.parallel", "1")]).await;
    let (many, one) = (tenant(&server, "many").await, tenant(&server, "one").await);
    let crowd = tokio::spawn(async move {
        join_all((0..100).map(|_| many.post("/v1/chat/completions", question("of many")))).await
    });
    until("the first of many", SOON, async || (!upstream.asked().is_empty()).then_some(())).await;
    let single = tokio::spawn(async move { one.post("/v1/chat/completions", question("of one")).await });
    let of_one = || upstream.asked().iter().position(|body| body["messages"][0]["content"] == "of one");
    // One at a time is answered, until the one has come.
    let mut answered = 0;
    until("the one", SOON, async || {
        if of_one().is_none() && upstream.asked().len() > answered {
            upstream.answer(1);
            answered += 1;
        }
        of_one()
    })
    .await;
    let waiting_when_it_came = 101 - upstream.asked().len();
    upstream.answer(1000);
    assert_eq!(single.await.expect("nobody panicked").status, 200);
    assert!(crowd.await.expect("nobody panicked").iter().all(|answer| answer.status == 200));
    assert!(waiting_when_it_came > 20, "{waiting_when_it_came} were still waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_gives_its_place_back_and_is_booked() {
    let upstream = Upstream::start().await;
    let server = before(&upstream, &[("limits.key.concurrency", "1")]).await;
    let api = tenant(&server, "left").await;
    let leaving = tokio::spawn({
        let api = api.clone();
        async move { ask(&api).await }
    });
    until("the request", SOON, async || (upstream.asked().len() == 1).then_some(())).await;
    let full = ask(&api).await;
    assert_eq!(full.refused(429)["code"], "rate_limit_exceeded");
    assert_eq!(header(&full, "retry-after"), "1");
    leaving.abort();
    upstream.answer(1000);
    until("the place", SOON, async || (ask(&api).await.status == 200).then_some(())).await;
    let sum = until("all rows", SOON, async || {
        let sum = booked(&server, "left", 3).await;
        (sum["requests"].as_u64()? - sum["failed"].as_u64()? == 1).then_some(sum)
    })
    .await;
    assert_eq!(
        sum["prompt_tokens"].as_u64(),
        Some(20),
        "who left before the answer began is booked with nothing: {sum}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_by_everything_with_its_cost() {
    let upstream = Upstream::start().await;
    upstream.answer(1000);
    let prices = "{ there = { input = 2.0, cached_input = 1.0, output = 10.0, currency = 'CNY' } }";
    let server = before(&upstream, &[("prices", prices)]).await;
    let (ours, theirs) = (tenant(&server, "ours").await, tenant(&server, "theirs").await);
    for api in [&ours, &ours, &theirs] {
        assert_eq!(ask(api).await.status, 200);
    }
    booked(&server, "ours", 2).await;
    booked(&server, "theirs", 1).await;
    let sums = usage(&server, "by=tenant").await;
    // 10 tokens at 2, 10 cached ones at 1 and 10 out at 10 are 130 millionths.
    let costs: Vec<_> =
        sums.iter().map(|sum| (sum["of"].as_str(), sum["cost"].as_f64(), sum["currency"].as_str())).collect();
    assert_eq!(costs, [(Some("ours"), Some(0.00026), Some("CNY")), (Some("theirs"), Some(0.00013), Some("CNY"))]);
    assert_eq!(sums[0]["cached_tokens"], 20);
    let day = &usage(&server, "by=day").await[0];
    assert!(day["of"].as_str().expect("a date").starts_with("20") && day["requests"] == 3, "{day}");
    for query in ["by=model", "by=model&model=there", "by=upstream"] {
        assert_eq!(usage(&server, query).await[0]["requests"], 3, "{query}");
    }
    assert_eq!(usage(&server, "by=key&tenant=ours").await[0]["requests"], 2);
    assert_eq!(usage(&server, "model=other").await, Vec::<Value>::new());
    assert_eq!(usage(&server, "from=0&to=1").await, Vec::<Value>::new());
    assert_eq!(server.admin().get("/admin/v1/usage?by=mood").await.status, 400);
    assert_eq!(server.admin().get("/admin/v1/usage?tenant=nobody").await.json()["data"], json!([]));
    let csv = server.admin().get("/admin/v1/usage?by=tenant&format=csv").await;
    assert_eq!(header(&csv, "content-type"), "text/csv; charset=utf-8");
    assert!(csv.text().contains("\ntheirs,1,0,0,20,10,10,0.00013,CNY\n"), "{}", csv.text());
}
