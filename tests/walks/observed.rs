//! What operators see of requests: traces across two servers, a line a call, and the metrics of each upstream.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use crate::harness::{CHAT, Collector, Library, Seen, Server, Setup, tenant, until};

/// Nobody may find this in a trace, a log line or a metric.
const SECRET: &str = "xyzzy-plugh";
/// The context of somebody's trace, which is sampled.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn asks() -> Value {
    let question = format!("Say hello to {SECRET}.");
    json!({"model": "far", "messages": [{"role": "user", "content": question}], "stream": true, "max_tokens": 8,
        "stream_options": {"include_usage": true}})
}

/// A server whose model `far` is answered by the other one.
fn in_front(back: &Server, url: &str) -> Setup {
    let (address, key) = (back.address, crate::harness::ADMIN);
    Setup::new()
        .set(
            "upstreams",
            &format!(r#"[{{ name = "back", kind = "openai", base_url = "http://{address}/v1", api_key = "{key}" }}]"#),
        )
        .set("models", &format!(r#"[{{ name = "far", targets = [{{ upstream = "back", model = "{CHAT}" }}] }}]"#))
        .set("telemetry.otlp.endpoint", url)
}

/// Asks as a client that has a trace of its own.
async fn traced(server: &Server, body: &Value) -> String {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::post(format!("http://{}/v1/chat/completions", server.address))
        .header("authorization", format!("Bearer {}", crate::harness::ADMIN))
        .header("content-type", "application/json")
        .header("traceparent", PARENT)
        .body(Full::from(body.to_string()))
        .expect("a request");
    let answered = client.request(request).await.expect("the server answers");
    let text = answered.into_body().collect().await.expect("the answer is not cut").to_bytes();
    String::from_utf8(text.to_vec()).expect("UTF-8")
}

fn named<'a>(trace: &'a [Seen], name: &str) -> Vec<&'a Seen> {
    trace.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_runs_from_the_client_through_two_servers() {
    let collector = Collector::start().await;
    let back = Setup::new().set("telemetry.otlp.endpoint", &collector.url).start().await;
    let front = in_front(&back, &collector.url).set("telemetry.otlp.headers", r#"{ x-team = "blue" }"#).start().await;
    assert!(traced(&front, &asks()).await.ends_with("data: [DONE]\n\n"));
    let trace = collector.trace("chat far", 5).await;
    assert!(trace.iter().all(|span| PARENT.contains(&span.trace)), "{trace:#?}");
    let servers = named(&trace, "POST /v1/chat/completions");
    let outer = servers.iter().find(|span| PARENT.contains(&span.parent)).expect("the front's own span");
    let [call] = named(&trace, "chat far")[..] else { panic!("{trace:#?}") };
    let [attempt] = named(&trace, "POST")[..] else { panic!("{trace:#?}") };
    let inner = servers.iter().find(|span| span.parent == attempt.id).expect("the back's own span");
    let [answered] = named(&trace, &format!("chat {CHAT}"))[..] else { panic!("{trace:#?}") };
    assert_eq!((&call.parent, &attempt.parent, &answered.parent), (&outer.id, &call.id, &inner.id));
    for (span, key, value) in [
        (*outer, "http.request.method", "POST"),
        (outer, "http.route", "/v1/chat/completions"),
        (outer, "http.response.status_code", "200"),
        (call, "gen_ai.operation.name", "chat"),
        (call, "gen_ai.provider.name", "openai"),
        (call, "gen_ai.request.model", "far"),
        (call, "gen_ai.response.model", CHAT),
        (call, "gen_ai.request.stream", "true"),
        (call, "server.address", "127.0.0.1"),
        (call, "kubemate.upstream", "back"),
        (attempt, "http.response.status_code", "200"),
        (attempt, "server.port", &back.address.port().to_string()),
        (answered, "gen_ai.provider.name", "kubemate"),
    ] {
        assert_eq!(span.attributes.get(key).map(String::as_str), Some(value), "{key} of {span:#?}");
    }
    for tokens in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        assert_eq!(call.attributes[tokens], answered.attributes[tokens]);
        assert_ne!(call.attributes[tokens], "0");
    }
    assert_eq!(call.events, ["first_token"]);
    assert!(call.attributes.contains_key("gen_ai.response.time_to_first_chunk"), "{call:#?}");
    assert!(!trace.iter().any(|span| span.failed) && !format!("{trace:?}").contains(SECRET), "{trace:#?}");
    assert!(collector.headers().iter().any(|headers| headers.get("x-team").is_some_and(|team| team == "blue")));
    front.stop().await;
    back.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retrieval_has_a_span_and_failures_are_marked() {
    let collector = Collector::start().await;
    let server = Setup::new().set("telemetry.otlp.endpoint", &collector.url).start().await;
    let api = tenant(&server, "observed-library").await;
    let library = Library::new(&api, "notes").await;
    library.index("ferry.txt", b"The last ferry leaves the pier at 19:40.").await;
    let ask = json!({"model": CHAT, "messages": [{"role": "user", "content": "When does the last ferry leave?"}],
        "vector_store_ids": [library.id], "max_tokens": 8});
    api.post("/v1/chat/completions", ask).await.json();
    let trace = collector.trace("retrieval", 3).await;
    let [retrieval] = named(&trace, "retrieval")[..] else { panic!("{trace:#?}") };
    assert_eq!(retrieval.attributes["gen_ai.data_source.id"], library.id);
    let [call] = named(&trace, &format!("chat {CHAT}"))[..] else { panic!("{trace:#?}") };
    assert_eq!(retrieval.parent, call.id);
    assert_eq!(call.attributes["kubemate.tenant"], "observed-library");
    server.stop().await;
}

/// Upstreams at a port where nobody listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_a_count() {
    let url = nowhere().await;
    let server = Setup::new().set("telemetry.otlp.endpoint", &url).start().await;
    let ask = json!({"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2});
    server.admin().post("/v1/chat/completions", ask).await.json();
    until("lost spans", Duration::from_secs(60), async || {
        let metrics = server.stranger().get("/metrics").await.text();
        let lost =
            metrics.lines().find_map(|line| line.strip_prefix(r#"kubemate_spans_dropped_total{why="collector"} "#));
        lost.filter(|lost| *lost != "0").map(|_| ())
    })
    .await;
    assert_eq!(server.log().matches("did not take them").count(), 1, "told once a minute\n{}", server.log());
    server.stop().await;
}

/// The request lines of a server's log.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["log"] == "request")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_leaves_a_line_and_its_upstream_is_measured() {
    let back = Server::start().await;
    let front = in_front(&back, &nowhere().await).set("log.requests", "all").start().await;
    let api = tenant(&front, "observed-line").await;
    let id = {
        let answered = api.open(http::Method::POST, "/v1/chat/completions", Some(asks())).await;
        let id = answered.0.headers()["x-request-id"].to_str().expect("text").to_owned();
        answered.whole().await;
        id
    };
    let line = until("the call's line", Duration::from_secs(30), async || lines(&front).pop()).await;
    for (field, value) in [
        ("request.id", json!(id)),
        ("tenant", json!("observed-line")),
        ("model", json!("far")),
        ("door", json!("/v1/chat/completions")),
        ("stream", json!(true)),
        ("upstream", json!("back")),
        ("target", json!(CHAT)),
        ("attempts", json!(1)),
        ("status", json!(200)),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    let number = |field: &str| line[field].as_u64().unwrap_or_else(|| panic!("{field} of {line}"));
    assert!(number("completion_tokens") > 0 && number("prompt_tokens") > 0);
    assert!(number("upstream_us") <= number("duration_us") && number("first_token_us") <= number("duration_us"));
    assert!(line["key"].as_str().expect("an id").starts_with("key_") && line["policy"].is_string(), "{line}");
    let metrics = front.stranger().get("/metrics").await.text();
    for series in [
        r#"kubemate_gateway_added_microseconds_count{model="far",upstream="back"} 1"#,
        r#"kubemate_upstream_wait_microseconds_count{model="far",upstream="back"} 1"#,
        r#"kubemate_first_token_microseconds_count{model="far",upstream="back"} 1"#,
        r#"kubemate_call_duration_microseconds_count{model="far",upstream="back",status="200"} 1"#,
        r#"kubemate_calls_in_flight{model="far",upstream="back"} 0"#,
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} is missing in\n{metrics}");
    }
    assert!(!front.log().contains(SECRET) && !metrics.contains(SECRET));
    back.stop().await;
    let refused = api.post("/v1/chat/completions", asks()).await.refused(502);
    assert!(refused["message"].as_str().expect("a message").contains("`back`"), "{refused}");
    let line = until("its line", Duration::from_secs(30), async || lines(&front).get(1).cloned()).await;
    assert_eq!((&line["status"], &line["upstream"]), (&json!(502), &json!("back")), "{line}");
    front.stop().await;
}
