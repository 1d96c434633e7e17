//! The routing table: who is chosen, and how it changes while the server runs.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Api, Faulty, Mood, Server, Setup, until};

/// Longest wait for what takes milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

fn model(name: &str, upstreams: &[&str], more: &str) -> String {
    let target = |upstream: &&str| format!("{{ upstream = \"{upstream}\", model = \"m\" }}");
    let targets: Vec<String> = upstreams.iter().map(target).collect();
    format!("[[models]]\nname = \"{name}\"\ntargets = [{}]\n{more}\n", targets.join(", "))
}

fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// Who answered: every upstream says its own name.
async fn answered(api: &Api, body: Value) -> String {
    let answer = api.post("/v1/chat/completions", body).await.json();
    answer["choices"][0]["message"]["content"].as_str().expect("a name").to_owned()
}

/// As [`answered`], of a session.
async fn of_session(server: &Server, session: &str) -> String {
    let request = Request::post(format!("http://{}/v1/chat/completions", server.address))
        .header(header::AUTHORIZATION, format!("Bearer {ADMIN}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-session-id", session)
        .body(Full::<bytes::Bytes>::from(chat("m", "Hi").to_string()))
        .expect("a request");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let body = client.request(request).await.expect("an answer").into_body().collect().await.expect("whole");
    let answer: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    answer["choices"][0]["message"]["content"].as_str().expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_beginnings_and_sessions_meet_the_same_target() {
    let (a, b, c) = (Faulty::start("a").await, Faulty::start("b").await, Faulty::start("c").await);
    let upstreams = a.config("") + &b.config("") + &c.config("");
    let all = ["a", "b", "c"];
    let text = upstreams + &model("p", &all, "policy = \"prefix\"") + &model("m", &all, "policy = \"session\"");
    let server = Setup::new().tables(&text).start().await;
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for subject in 0..24 {
        let prompt = format!("{subject} {}", "The same long beginning. ".repeat(20));
        let home = answered(&server.admin(), chat("p", &format!("{prompt} First question?"))).await;
        assert_eq!(answered(&server.admin(), chat("p", &format!("{prompt} Second question?"))).await, home);
        let session = format!("session-{subject}");
        let place = of_session(&server, &session).await;
        assert_eq!(of_session(&server, &session).await, place);
        let mut named = chat("m", "By the field");
        named["user"] = json!(session);
        assert_eq!(answered(&server.admin(), named).await, place, "the field `user` says the same");
        *homes.entry(home).or_default() += 1;
    }
    assert_eq!(homes.len(), 3, "beginnings spread: {homes:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_read_again_and_a_bad_one_changes_nothing() {
    let (old, new) = (Faulty::start("old").await, Faulty::start("new").await);
    let setup = Setup::new().tables(&(old.config("") + &model("m", &["old"], "")));
    let server = setup.start().await;
    let api = server.admin();
    assert_eq!(answered(&api, chat("m", "Hi")).await, "old");
    setup.rewrite(&(new.config("") + &model("m", &["new"], "aliases = [\"mm\"]")));
    until("the new table", LIMIT, async || {
        let answer = answered(&api, chat("m", "Hi")).await; // no request fails on the way
        (answer == "new").then_some(())
    })
    .await;
    assert_eq!(answered(&api, chat("mm", "Hi")).await, "new");
    setup.rewrite(&(new.config("") + &model("m", &["nowhere"], "")));
    until("a line about the bad file", LIMIT, async || {
        server.log().contains("names upstream `nowhere`, which is not defined").then_some(())
    })
    .await;
    assert_eq!(answered(&api, chat("mm", "Hi")).await, "new");
    setup.rewrite(&(old.config("") + &model("again", &["old"], "")));
    until("the good file", LIMIT, async || {
        let answer = api.post("/v1/chat/completions", chat("again", "Hi")).await;
        answer.status.is_success().then_some(())
    })
    .await;
    api.post("/v1/chat/completions", chat("m", "Hi")).await.refused(404);
    server.stop().await;
}

fn problem(answer: &crate::harness::Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    answer.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_and_models_are_added_while_it_runs_and_stay() {
    let (filed, added) = (Faulty::start("filed").await, Faulty::start("added").await);
    let setup = Setup::new().tables(&(filed.config("") + &model("f", &["filed"], "")));
    let server = setup.start().await;
    let admin = server.admin();
    let upstream = json!({"name": "added", "kind": "openai", "base_url": format!("http://{}/v1", added.address)});
    let clear = {
        let mut upstream = upstream.clone();
        upstream["api_key"] = json!("sk-clear");
        upstream
    };
    let told = problem(&admin.post("/admin/v1/upstreams", clear).await, 400);
    assert!(told.contains("in clear") && !told.contains("sk-clear"), "{told}");
    problem(&admin.post("/admin/v1/upstreams", upstream.clone()).await, 201);
    problem(&admin.post("/admin/v1/upstreams", upstream.clone()).await, 409);
    let entry = json!({"name": "org/x:1", "targets": [{"upstream": "added", "model": "m"}]});
    problem(&admin.post("/admin/v1/models", entry.clone()).await, 201);
    assert_eq!(answered(&admin, chat("org/x:1", "Hi")).await, "added");
    let alias = json!({"name": "other", "aliases": ["f"], "targets": [{"upstream": "added", "model": "m"}]});
    assert!(problem(&admin.post("/admin/v1/models", alias).await, 400).contains("alias `f`"));
    for (method, path) in [(Method::DELETE, "/admin/v1/models/f"), (Method::DELETE, "/admin/v1/upstreams/filed")] {
        assert!(problem(&admin.call(method, path, None).await, 409).contains("configuration file"));
    }
    assert!(problem(&admin.delete("/admin/v1/upstreams/added").await, 400).contains("`added`"), "a model names it");
    let listed = admin.get("/admin/v1/models").await.json();
    let sources: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| (&one["name"], &one["source"])).collect();
    assert_eq!(sources, [(&json!("f"), &json!("file")), (&json!("org/x:1"), &json!("ledger"))]);
    server.stop().await;

    let server = setup.start().await;
    let admin = server.admin();
    assert_eq!(answered(&admin, chat("org/x:1", "Hi")).await, "added", "after a restart");
    let mut other = entry.clone();
    other["targets"][0]["upstream"] = json!("filed");
    problem(&admin.call(Method::PUT, "/admin/v1/models/org/x:1", Some(other)).await, 200);
    assert_eq!(answered(&admin, chat("org/x:1", "Hi")).await, "filed");
    problem(&admin.delete("/admin/v1/upstreams/added").await, 204);
    problem(&admin.delete("/admin/v1/models/org/x:1").await, 204);
    problem(&admin.delete("/admin/v1/models/org/x:1").await, 404);
    admin.post("/v1/chat/completions", chat("org/x:1", "Hi")).await.refused(404);
    let rows = admin.get("/admin/v1/tenants/default/audit?limit=1000").await.json();
    let actions: Vec<_> = rows["data"].as_array().unwrap().iter().filter_map(|row| row["action"].as_str()).collect();
    for action in ["upstream.create", "upstream.delete", "model.create", "model.replace", "model.delete"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_named_from_its_own_drawer_only() {
    let one = Faulty::start("one").await;
    let setup = Setup::new().tables(&(one.config("") + &model("m", &["one"], "")));
    let drawer = setup.folder().join("secrets");
    fs::create_dir_all(&drawer).expect("a folder");
    fs::write(drawer.join("key"), "sk-in-the-drawer").expect("a file");
    fs::write(setup.folder().join("other"), "sk-elsewhere").expect("a file");
    let named = |name: &str, secret: Value| json!({"name": name, "kind": "openai", "base_url": format!("http://{}/v1", one.address), "api_key": secret});
    let file = |path: std::path::PathBuf| json!({ "file": path });
    let server = setup.clone().set("auth.secret_files", drawer.to_str().expect("text")).start().await;
    let admin = server.admin();
    for secret in [
        json!({"env": "KUBEMATE_ADMIN_KEY"}),
        json!({"env": "PATH"}),
        file(setup.folder().join("other")),
        file(drawer.join("../other")),
        file(setup.folder().join("kubemate.toml")),
        json!({"file": "/proc/self/environ"}),
        json!({"file": "/no/such/file"}),
    ] {
        let told = problem(&admin.post("/admin/v1/upstreams", named("thief", secret.clone())).await, 400);
        assert!(told.contains("`api_key` may name"), "{secret}: {told}");
    }
    problem(&admin.post("/admin/v1/upstreams", named("good", file(drawer.join("key")))).await, 201);
    problem(&admin.post("/admin/v1/upstreams", named("also", json!({"env": "KUBEMATE_SECRET_X"}))).await, 201);
    let replaced = admin
        .call(Method::PUT, "/admin/v1/upstreams/good", Some(named("good", json!({"env": "KUBEMATE_ADMIN_KEY"}))))
        .await;
    assert!(problem(&replaced, 400).contains("KUBEMATE_SECRET_"));
    server.stop().await;

    // What was saved while more could be named is not believed at the next start.
    let server = setup.start().await;
    assert!(server.log().contains("`api_key` of upstream `good`"), "{}", server.log());
    assert_eq!(answered(&server.admin(), chat("m", "Hi")).await, "one");
    let shown = server.admin().get("/admin/v1/upstreams/good").await.json();
    assert_eq!(shown["settings"]["api_key"], Value::Null, "{shown}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_prices_change_with_the_file() {
    let one = Faulty::start("one").await;
    let table = |terms: &str| terms.to_owned() + &one.config("") + &model("m", &["one"], "");
    let terms = |rpm: u64, price: &str| format!("[limits.tenant]\nrpm = {rpm}\n[prices]\n{price}\n");
    let setup = Setup::new().tables(&table(&terms(1_000_000, "")));
    let server = setup.start().await;
    let api = server.admin();
    let status = async || api.post("/v1/chat/completions", chat("m", "Hi")).await.status.as_u16();
    assert_eq!(status().await, 200);
    setup.rewrite(&table(&terms(1, "")));
    until("the narrow limit", LIMIT, async || (status().await == 429).then_some(())).await;
    setup.rewrite(&table("[limits.model]\npriority = \"high\"\n"));
    until("a line about it", LIMIT, async || server.log().contains("`limits.model.priority`").then_some(())).await;
    assert_eq!(status().await, 429, "a file that is refused changes nothing");
    setup.rewrite(&table(&terms(1_000_000, "m = { input = 1000000.0, currency = \"EUR\" }")));
    until("the wide limit", LIMIT, async || (status().await == 200).then_some(())).await;
    until("its price", LIMIT, async || {
        status().await;
        let usage = api.get("/admin/v1/usage?model=m").await.json();
        usage["data"]
            .as_array()?
            .iter()
            .find(|sum| sum["currency"] == "EUR" && sum["cost"].as_f64() >= Some(3.0))
            .map(|_| ())
    })
    .await;
    setup.rewrite(&table(""));
    until("no limit at all", LIMIT, async || {
        let answer = api.post("/v1/chat/completions", chat("m", "Hi")).await;
        (!answer.headers.contains_key("x-ratelimit-limit-requests")).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_explained_with_and_without_a_server() {
    let (a, b) = (Faulty::start("a").await, Faulty::start("b").await);
    let text =
        a.config("") + &b.config("") + &model("m", &["a", "b"], "aliases = [\"mm\"]\npolicy = \"least_in_flight\"");
    let setup = Setup::new().tables(&text);
    let server = setup.start().await;
    answered(&server.admin(), chat("m", "Hi")).await;
    let url = format!("http://{}", server.address);
    let run = |arguments: &[&str]| {
        let output = setup.command(arguments).output().expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let live: Value = serde_json::from_str(&run(&["routes", "test", "mm", "--url", &url, "--json"])).expect("JSON");
    assert_eq!((&live["model"], &live["policy"]), (&json!("m"), &json!("least_in_flight")));
    assert!(live["targets"].as_array().unwrap().iter().any(|target| target["first_token_us"].as_u64() > Some(0)));
    let text = run(&["routes", "test", "m", "--url", &url]);
    assert!(text.contains("fewest open requests") && text.contains("among 2 of 2"), "{text}");
    let routes = server.admin().get("/admin/v1/routes").await.json();
    assert_eq!(routes["data"][0]["targets"][1]["state"], "well", "{routes}");
    let metrics = server.stranger().get("/metrics").await.text();
    assert!(metrics.contains("kubemate_upstream_requests_total{"), "{metrics}");
    server.stop().await;
    let offline = run(&["routes", "test", "mm", "--offline"]);
    assert!(offline.contains("asked as mm") && offline.contains("least_in_flight"), "{offline}");
    let unknown = setup.command(&["routes", "test", "nope", "--offline"]).output().expect("the command runs");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no model `nope`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_models_are_swapped_in_without_a_failed_request() {
    let one = Faulty::start("one").await;
    let setup = Setup::new().tables(&(one.config("") + &model("m", &["one"], "")));
    let server = setup.start().await;
    let api = server.admin();
    let many: String = (0..10_000).map(|number| model(&format!("m{number}"), &["one"], "")).collect();
    setup.rewrite(&(one.config("") + &model("m", &["one"], "") + &many));
    until("the last of the new models", LIMIT, async || {
        assert_eq!(answered(&api, chat("m", "Hi")).await, "one");
        api.post("/v1/chat/completions", chat("m9999", "Hi")).await.status.is_success().then_some(())
    })
    .await;
    assert!(fs::read_to_string(setup.folder().join("log")).expect("a log").contains("were read again"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_s_own_models_are_offered_when_asked_for() {
    let (always, once) = (Faulty::start("always").await, Faulty::start("once").await);
    always.lists(&["base", "adapter-1"]);
    once.lists(&["m", "other"]);
    let text = always.config("import_models = true") + &once.config("") + &model("m", &["always"], "");
    let server = Setup::new().tables(&text).start().await;
    let admin = server.admin();
    until("the adapter", LIMIT, async || {
        let answer = admin.post("/v1/chat/completions", chat("adapter-1", "Hi")).await;
        answer.status.is_success().then_some(())
    })
    .await;
    let imported = admin.post("/admin/v1/upstreams/once/import", json!({})).await.json();
    assert_eq!(imported, json!({"listed": ["m", "other"], "added": ["other"]}));
    assert_eq!(answered(&admin, chat("other", "Hi")).await, "once");
    assert_eq!(answered(&admin, chat("m", "Hi")).await, "always", "what is configured counts");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_keeps_requests_away_before_one_fails() {
    let (a, b) = (Faulty::start("a").await, Faulty::start("b").await);
    let probe = "probe = { every = \"100ms\" }";
    let text = a.config(probe) + &b.config(probe) + &model("m", &["a", "b"], "");
    let server = Setup::new().tables(&text).start().await;
    let state = async || {
        let routes = server.admin().get("/admin/v1/routes").await.json();
        routes["data"][0]["targets"][0]["state"].as_str().expect("a state").to_owned()
    };
    a.becomes(Mood::Refusing(503));
    until("the probe", LIMIT, async || (state().await == "unwell").then_some(())).await;
    for _ in 0..20 {
        assert_eq!(answered(&server.admin(), chat("m", "Hi")).await, "b");
    }
    assert_eq!(a.seen(), 0);
    a.becomes(Mood::Well);
    until("the probe", LIMIT, async || (state().await == "well").then_some(())).await;
    until("a request to it", LIMIT, async || (answered(&server.admin(), chat("m", "Hi")).await == "a").then_some(()))
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kserve_is_found_below_either_root() {
    for root in ["/openai/v1", "/v1"] {
        let one = Faulty::below("one", root).await;
        let config = one.config("").replace("openai", "kserve").replace("/v1\"", "\"");
        let server = Setup::new().tables(&(config + &model("m", &["one"], ""))).start().await;
        for _ in 0..3 {
            assert_eq!(answered(&server.admin(), chat("m", "Hi")).await, "one", "{root}");
        }
        assert_eq!(one.seen(), 3);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_is_rolled_back_and_nobody_notices() {
    let (stable, canary) = (Faulty::start("stable").await, Faulty::start("canary").await);
    canary.becomes(Mood::Refusing(500));
    let lax = "health = { failures = 100000, requests = 100000 }";
    let targets =
        "targets = [{ upstream = \"stable\", model = \"m\" }, { upstream = \"canary\", model = \"m\", canary = true }]";
    let text = stable.config(lax)
        + &canary.config(lax)
        + &format!("[[models]]\nname = \"m\"\n{targets}\ncanary = {{ requests = 10 }}\n");
    let server = Setup::new().tables(&text).start().await;
    for _ in 0..60 {
        assert_eq!(answered(&server.admin(), chat("m", "Hi")).await, "stable");
    }
    assert_eq!(canary.seen(), 10, "judged after ten requests");
    let routes = server.admin().get("/admin/v1/routes").await.json();
    assert_eq!(routes["data"][0]["targets"][1]["state"], "rolled_back", "{routes}");
    server.stop().await;
}
