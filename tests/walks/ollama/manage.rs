//! The models of a real Ollama, managed through the gateway: by admin API and by `kubemate models --upstream`.

use std::process::Output;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::registry::Registry;
use crate::harness::{ADMIN, Api, Ollama, Server, Setup, gguf, tenant, until};

/// An Ollama without models, and a gateway that knows it and another upstream.
async fn both() -> (Ollama, Server) {
    let ollama = Ollama::start().await;
    let tables = format!(
        "[[upstreams]]\nname = \"real\"\nkind = \"ollama\"\nbase_url = \"{}\"\n\
         [[upstreams]]\nname = \"other\"\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n",
        ollama.root()
    );
    (ollama, Setup::new().tables(&tables).start().await)
}

/// `kubemate models --upstream real …` with the administrator's key.
async fn kubemate(server: &Server, arguments: &[&str]) -> Output {
    let url = format!("http://{}", server.address);
    let mut command = server.setup().command(&["models", "--upstream", "real", "--url", &url]);
    command.args(arguments).env("KUBEMATE_API_KEY", ADMIN);
    tokio::task::spawn_blocking(move || command.output().expect("it starts")).await.expect("it ends")
}

async fn good(server: &Server, arguments: &[&str]) -> String {
    let output = kubemate(server, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn bad(server: &Server, arguments: &[&str]) -> String {
    let output = kubemate(server, arguments).await;
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("text")
}

async fn listed(api: &Api) -> Vec<Value> {
    api.get("/admin/v1/upstreams/real/models").await.json()["data"].as_array().expect("a list").clone()
}

/// The trail of what was done to upstreams, once it has `count` rows: how a streamed deed came out is written behind its
/// last line.
async fn deeds(api: &Api, count: usize) -> Vec<(String, String)> {
    until("the trail", Duration::from_secs(20), async || {
        let found = found_deeds(api).await;
        (found.len() >= count).then_some(found)
    })
    .await
}

/// Actions of the trail with their outcomes, oldest first.
async fn found_deeds(api: &Api) -> Vec<(String, String)> {
    let rows = api.get("/admin/v1/audit?limit=200").await.json();
    let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
    let rows = rows["data"].as_array().expect("rows").iter().rev();
    rows.map(|row| (text(row, "action"), text(row, "outcome")))
        .filter(|(action, _)| action.starts_with("upstream."))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_made_of_a_gguf_loaded_asked_and_removed() {
    let (_ollama, server) = both().await;
    let api = server.admin();
    assert!(listed(&api).await.is_empty());
    let file = gguf();
    let file = file.to_str().expect("a plain path");
    let made =
        good(&server, &["create", "house/smol:q4", "--from", file, "--set", "num_thread=1,num_ctx=512", "--json"])
            .await;
    let last: Value = serde_json::from_str(made.lines().last().expect("lines")).expect("JSON");
    assert_eq!(last["status"], "success", "{made}");
    // The file is there by now: the second time it is not sent.
    good(&server, &["create", "again", "--from", file]).await;

    let table = good(&server, &["list"]).await;
    assert!(table.contains("house/smol:q4") && table.contains("Q4_1") && table.contains("on disk"), "{table}");
    good(&server, &["load", "house/smol:q4", "--keep-alive", "-1"]).await;
    assert!(listed(&api).await.iter().any(|model| model["name"] == "house/smol:q4" && model["loaded"] == true));
    good(&server, &["unload", "house/smol:q4"]).await;
    crate::harness::until("the model to be let go", Duration::from_secs(30), async || {
        listed(&api).await.iter().all(|model| model["loaded"] == false).then_some(())
    })
    .await;

    let shown: Value = serde_json::from_str(&good(&server, &["--json", "show", "house/smol:q4"]).await).expect("JSON");
    assert_eq!(shown["model_info"]["general.architecture"], "llama");
    assert!(shown["parameters"].as_str().expect("settings").contains("num_ctx"), "{shown}");
    good(&server, &["rm", "house/smol:q4"]).await;
    assert!(bad(&server, &["show", "house/smol:q4"]).await.contains("not found"));
    assert_eq!(listed(&api).await.len(), 1);

    let expected = ["blob.send", "model.create", "model.create", "model.load", "model.unload", "model.delete"];
    let expected = expected
        .iter()
        .flat_map(|deed| ["begun", "ok"].map(|outcome| (format!("upstream.{deed}"), outcome.to_owned())));
    let expected: Vec<_> = expected.collect();
    assert_eq!(deeds(&api, expected.len()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_pulled_from_a_registry_with_progress() {
    let source = Ollama::shared().await;
    let registry = Registry::start(source.models()).await;
    let (_ollama, server) = both().await;
    let name = format!("{}/library/smol:latest", registry.address);
    let pulled = good(&server, &["--json", "pull", "--insecure", &name]).await;
    let lines: Vec<Value> = pulled.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.last().expect("lines")["status"], "success");
    let bytes = lines.iter().filter_map(|line| line["total"].as_u64()).max();
    assert_eq!(bytes, Some(gguf().metadata().expect("a file").len()), "{pulled}");
    assert_eq!(listed(&server.admin()).await[0]["name"], json!(name));

    let failed = bad(&server, &["pull", "--insecure", &format!("{}/library/nobody", registry.address)]).await;
    assert!(failed.contains("does not exist"), "{failed}");
    let deeds = deeds(&server.admin(), 4).await;
    let outcomes: Vec<&str> = deeds.iter().map(|(_, outcome)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["begun", "ok", "begun", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_instances_operator_reaches_upstreams() {
    let (_ollama, server) = both().await;
    let path = "/admin/v1/upstreams/real/models";
    assert_eq!(server.stranger().get(path).await.status, 401);
    assert_eq!(tenant(&server, "guest").await.get(path).await.status, 403);
    let key = json!({"name": "local admin", "scopes": ["admin"]});
    let key = server.admin().post("/admin/v1/tenants/guest/keys", key).await.json();
    let guest = server.caller(key["key"].as_str().expect("a secret"));
    assert_eq!(guest.get(path).await.status, 403, "it administers its own tenant only");
    assert_eq!(guest.post("/admin/v1/upstreams/real/load", json!({"model": "x"})).await.status, 403);
    let admin = server.admin();
    assert_eq!(admin.get("/admin/v1/upstreams/nobody/models").await.status, 404);
    assert_eq!(admin.get("/admin/v1/upstreams/other/models").await.status, 400);
    assert_eq!(admin.delete(&format!("{path}/nobody")).await.status, 404);
    assert_eq!(admin.post("/admin/v1/upstreams/real/load", json!({"model": "nobody"})).await.status, 404);
    let blob = |name: &str| format!("/admin/v1/upstreams/real/blobs/{name}");
    assert_eq!(admin.call(Method::PUT, &blob("..%2Ftags"), Some(json!({}))).await.status, 400);
    let wrong = admin.call(Method::PUT, &blob(&format!("sha256:{}", "0".repeat(64))), Some(json!({}))).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}
