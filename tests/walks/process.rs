//! The process itself: start, readiness, metrics, its own description, stop, and refusals to start.

use std::process::Output;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::harness::{CHAT, EMBEDDER, Server, Setup, kubemate, shared, tenant, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_start_is_ready_and_says_so() {
    let server = Server::start().await;
    let stranger = server.stranger();
    assert_eq!(stranger.get("/healthz").await.text(), "ok");
    let ready = stranger.get("/readyz").await.json();
    assert_eq!(ready["status"], "ready", "{ready}");
    assert!(ready["parts"].as_array().expect("parts").iter().all(|part| part["ok"] == true), "{ready}");
    let first: Value = server.log().lines().find_map(|line| serde_json::from_str(line).ok()).expect("logs are JSON");
    assert!(first["timestamp"].is_string() && first["level"].is_string(), "{first}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_what_is_degraded() {
    let server = Setup::new().set("weights.cache_dir", "./no-weights").start().await;
    let answer = server.stranger().get("/readyz").await;
    let ready: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(ready["status"], "degraded", "{ready}");
    let part =
        ready["parts"].as_array().expect("parts").iter().find(|part| part["name"] == "embedder").expect("the embedder");
    assert_eq!(part["ok"], false);
    assert!(part["detail"].as_str().expect("a reason").contains("kubemate models pull"), "{part}");
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "Hi"}]});
    assert!(server.admin().post("/v1/chat/completions", chat).await.status.is_client_error());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_there_after_a_restart() {
    let server = Server::start().await;
    let file = server.admin().upload("note.txt", b"kept").await;
    let setup = server.setup().clone();
    server.stop().await;
    let server = setup.start().await;
    assert_eq!(server.admin().get(&format!("/v1/files/{file}/content")).await.text(), "kept");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_their_names_and_units() {
    let server = shared().await;
    let api = tenant(server, "process-metrics").await;
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2});
    api.stream("/v1/chat/completions", chat).await;
    api.post("/v1/embeddings", json!({"model": EMBEDDER, "input": "Hi"})).await.json();
    let metrics = server.stranger().get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().expect("text").starts_with("text/plain"));
    let text = metrics.text();
    for name in [
        "kubemate_request_duration_microseconds_bucket",
        "kubemate_first_token_microseconds_bucket",
        "kubemate_tokens_total",
        "kubemate_requests_in_flight",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in\n{text}");
    }
    assert!(text.contains("queue") && text.contains("microseconds"), "a queue histogram is missing in\n{text}");
    assert!(text.contains(r#"route="/v1/chat/completions""#), "routes are patterns");
    assert!(!text.contains("process-metrics"), "tenants are no labels");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_and_its_page_need_no_network() {
    let server = shared().await;
    let stranger = server.stranger();
    let document = stranger.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().expect("a version").starts_with("3."));
    for path in
        ["/v1/chat/completions", "/v1/responses", "/v1/vector_stores/{id}/search", "/admin/v1/tenants", "/readyz"]
    {
        assert!(document["paths"][path].is_object(), "{path} is not described");
    }
    let page = stranger.get("/docs/").await.text();
    let outside = page
        .split(['"', '\''])
        .find(|piece| piece.starts_with("http://") || piece.starts_with("https://") || piece.starts_with("//"));
    assert_eq!(outside, None, "the page loads something from elsewhere");
    let files = page.split(['"', '\'']).filter(|piece| piece.ends_with(".js") || piece.ends_with(".css"));
    let mut loaded = 0;
    for file in files {
        assert_eq!(stranger.get(&format!("/docs/{}", file.trim_start_matches("./"))).await.status, 200, "{file}");
        loaded += 1;
    }
    assert!(loaded > 0, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_open_answers_finish_and_sends_new_ones_elsewhere() {
    let mut server = Setup::new().set("server.grace", "60s").start().await;
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "Tell a story."}], "max_tokens": 60, "stream": true});
    let mut open = server.admin().open(Method::POST, "/v1/chat/completions", Some(chat)).await;
    open.next().await.expect("the answer begins");
    server.terminate();
    let refused = until("the notice at the door", Duration::from_secs(5), async || {
        let answer = server.admin().get("/v1/models").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    let said: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!(said["error"]["code"], "stopping", "{said}");
    assert_eq!(refused.headers["connection"], "close");
    let ready = server.stranger().get("/readyz").await;
    let said: Value = serde_json::from_slice(&ready.body).expect("JSON");
    assert_eq!((ready.status.as_u16(), &said["status"]), (503, &json!("stopping")), "{said}");
    let rest = open.whole().await.text();
    assert!(rest.ends_with("data: [DONE]\n\n"), "the answer was cut: {rest}");
    let status = server.ended(Duration::from_secs(30)).await;
    assert!(status.success(), "{status}");
    assert!(server.log().contains("stopped"), "the last phase is logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_even_when_a_client_never_does() {
    let mut server = Setup::new().set("server.grace", "1s").start().await;
    let chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "Tell a long story."}], "max_tokens": 4000, "stream": true});
    let mut open = server.admin().open(Method::POST, "/v1/chat/completions", Some(chat)).await;
    open.next().await.expect("the answer begins");
    server.terminate();
    let begun = Instant::now();
    assert!(server.ended(Duration::from_secs(20)).await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// What `kubemate` says when it is run with this file and these variables.
fn run(file: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let setup = Setup::new();
    let path = setup.folder().join("given.toml");
    std::fs::write(&path, file).expect("the file can be written");
    let mut command = std::process::Command::new(kubemate());
    command.arg("--config").arg(&path).args(arguments).envs(variables.iter().copied()).current_dir(setup.folder());
    command.output().expect("it runs")
}

type Variables = &'static [(&'static str, &'static str)];

#[test]
fn a_wrong_configuration_is_refused_by_key() {
    let cases: [(&str, Variables, &str); 9] = [
        ("[server]\nlistn = \"127.0.0.1:0\"", &[], "listen"),
        ("[servers]\n", &[], "server"),
        ("[server]\nlisten = \"nowhere\"", &[], "server.listen"),
        ("[server]\nlisten = ", &[], "TOML"),
        ("[server]\ngrace = \"5 parsecs\"", &[], "server.grace"),
        ("[server]\nreplicas = 2", &[], "server.replicas"),
        ("[audit]\nretention_days = 30", &[], "180"),
        ("[[models]]\nname = \"a\"\ntargets = [{ upstream = \"nobody\", model = \"m\" }]", &[], "nobody"),
        ("", &[("KUBEMATE__SERVER__LISTN", "127.0.0.1:0")], "listen"),
    ];
    for (file, variables, needle) in cases {
        for arguments in [["config", "check"].as_slice(), ["serve"].as_slice()] {
            let output = run(file, variables, arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{file} was taken by {arguments:?}");
            assert!(said.contains(needle), "{arguments:?} of {file:?} does not name {needle}: {said}");
        }
    }
}

#[test]
fn variables_that_kubernetes_injects_are_no_settings() {
    let output = run("", &[("KUBEMATE_GATEWAY_PORT", "tcp://10.0.0.1:80")], &["config", "check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The file that DESIGN.md promises to work unchanged.
const SAMPLE: &str = r#"
[server]
listen = "127.0.0.1:8080"

[store]
data_dir = "./data"

[auth]
admin_key = { env = "KUBEMATE_ADMIN_KEY" }

[[upstreams]]
name = "mock"
kind = "openai"
base_url = "http://127.0.0.1:9100/v1"

[[models]]
name = "mock"
targets = [{ upstream = "mock", model = "mock", weight = 1 }]
"#;

#[test]
fn the_sample_configuration_is_good() {
    let output = run(SAMPLE, &[("KUBEMATE_ADMIN_KEY", "km-any")], &["config", "check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn versions_help_and_lists_are_told() {
    let say = |arguments: &[&str]| {
        let output = run("", &[], arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(say(&["--version"]).starts_with("kubemate 0.1.0 ("));
    assert!(say(&["--help"]).contains("serve"));
    let models: Value = serde_json::from_str(&say(&["--json", "models", "list"])).expect("JSON");
    assert!(models.as_array().expect("a list").iter().any(|model| model["name"] == EMBEDDER), "{models}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_holds_and_a_flipped_bit_is_found() {
    let server = Server::start().await;
    let api = tenant(&server, "audited").await;
    api.upload("note.txt", b"note").await;
    server.caller("km-wrong").get("/v1/models").await.refused(401);
    let rows = server.admin().get("/admin/v1/tenants/audited/audit").await.json();
    let actions: Vec<_> = rows["data"].as_array().expect("rows").iter().map(|row| row["action"].clone()).collect();
    assert!(actions.contains(&json!("key.create")), "{actions:?}");
    let setup = server.setup().clone();
    server.stop().await;
    let verified = setup.command(&["audit", "verify"]).output().expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let ledger = setup.folder().join("data/ledger.sqlite");
    // What was written last may still be in the journal beside the file.
    let checkpoint = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    let mut python = std::process::Command::new("python3");
    assert!(python.args(["-c", checkpoint]).arg(&ledger).status().expect("python3 runs").success());
    let mut bytes = std::fs::read(&ledger).expect("the ledger");
    let place = bytes.windows(10).position(|window| window == b"key.create").expect("the row is in the file");
    bytes[place] ^= 1;
    std::fs::write(&ledger, bytes).expect("the ledger can be written");
    let verified = setup.command(&["audit", "verify"]).output().expect("it runs");
    assert!(!verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
