//! Ollama on both sides: a real server behind the gateway, and its clients in front.

mod manage;
mod registry;

use std::process::{Command, Stdio};
use std::time::Duration;

use http::{Method, header};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::clients::{here, installed, pytest};
use crate::harness::{Api, CHAT, EMBEDDER, Library, Ollama, Server, Setup, THERE, tenant, until};

/// The name of the real server's model at the gateway.
const FAR: &str = "far/smol:135m";

/// A gateway in front of the real Ollama; its root is given as clients of OpenAI know it.
async fn gateway() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER
        .get_or_init(async || {
            let root = Ollama::shared().await.root();
            Setup::new().tables(&upstream(&root)).start().await
        })
        .await
}

fn upstream(root: &str) -> String {
    format!(
        "[[upstreams]]\nname = \"real\"\nkind = \"ollama\"\nbase_url = \"{root}/v1\"\n\
         [[models]]\nname = \"{FAR}\"\ntargets = [{{ upstream = \"real\", model = \"{THERE}\", weight = 1 }}]\n\
         [[models]]\nname = \"missing\"\ntargets = [{{ upstream = \"real\", model = \"nobody\", weight = 1 }}]\n"
    )
}

fn hello(fields: Value) -> Value {
    let mut body = json!({"model": FAR, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 6});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_chat_is_an_openai_chat() {
    let api = tenant(gateway().await, "native-chat").await;
    let whole = api.post("/v1/chat/completions", hello(json!({"logprobs": true, "top_logprobs": 1}))).await.json();
    assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!(FAR)));
    let choice = &whole["choices"][0];
    assert!(!choice["message"]["content"].as_str().expect("text").is_empty());
    assert!(!choice["logprobs"]["content"].as_array().expect("tokens").is_empty());
    let events = api.stream("/v1/chat/completions", hello(json!({"stream_options": {"include_usage": true}}))).await;
    let (done, chunks) = events.split_last().expect("events");
    assert_eq!(done.data, "[DONE]");
    assert_eq!(chunks[0].json()["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let total = chunks.last().expect("chunks").json();
    assert_eq!(total["choices"], json!([]));
    assert!(total["usage"]["completion_tokens"].as_u64().expect("a count") <= 6);
    assert!(chunks.iter().all(|chunk| chunk.json()["model"] == FAR));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_completion_and_native_vectors() {
    let api = tenant(gateway().await, "native-text").await;
    let text = json!({"model": FAR, "prompt": "Once upon a", "max_tokens": 3, "temperature": 0});
    let whole = api.post("/v1/completions", text.clone()).await.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    let events = api.stream("/v1/completions", text).await;
    let streamed: String = events
        .iter()
        .filter(|event| event.data != "[DONE]")
        .map(|event| event.json()["choices"][0]["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(json!(streamed), whole["choices"][0]["text"]);
    let floats = api.post("/v1/embeddings", json!({"model": FAR, "input": ["a", "b"]})).await.json();
    assert_eq!(floats["data"][1]["embedding"].as_array().expect("numbers").len(), 576);
    assert!(floats["usage"]["prompt_tokens"].as_u64().expect("a count") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ollama_lacks_is_named_and_what_it_refuses_is_told() {
    let api = tenant(gateway().await, "native-refusals").await;
    for (field, value) in [("n", json!(2)), ("logit_bias", json!({"1": 1.0})), ("tool_choice", json!("required"))] {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let mut body = hello(json!({"tools": tools}));
        body[field] = value;
        let error = api.post("/v1/chat/completions", body).await.refused(400);
        assert_eq!((&error["param"], &error["code"]), (&json!(field), &json!("unsupported_parameter")));
    }
    let tools = hello(json!({"tools": [{"type": "function", "function": {"name": "f"}}]}));
    let error = api.post("/v1/chat/completions", tools).await.refused(400);
    assert!(error["message"].as_str().expect("words").contains("does not support tools"), "{error}");
    let mut missing = hello(json!({"stream": true}));
    missing["model"] = json!("missing");
    api.post("/v1/chat/completions", missing).await.refused(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_settled_and_its_upstream_let_go() {
    let server = gateway().await;
    let api = tenant(server, "native-leaves").await;
    let mut opened =
        api.open(Method::POST, "/v1/chat/completions", Some(hello(json!({"stream": true, "max_tokens": 900})))).await;
    assert!(opened.next().await.is_some());
    drop(opened);
    settled(server, "native-leaves", FAR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entrance_has_the_same_keys_scopes_and_models() {
    let server = gateway().await;
    tenant(server, "entrance").await;
    let key = json!({"name": "narrow", "scopes": ["chat"], "models": [CHAT]});
    let key = server.admin().post("/admin/v1/tenants/entrance/keys", key).await.json();
    let api = server.caller(key["key"].as_str().expect("a secret"));
    let ask = |model: &str| json!({"model": model, "stream": false, "options": {"num_predict": 2}, "messages": [{"role": "user", "content": "hi"}]});
    let answer = api.post("/api/chat", ask(CHAT)).await;
    assert_eq!(answer.json()["done"], true);
    assert!(answer.headers.contains_key("x-request-id"));
    for (path, body, status) in [
        ("/api/chat", ask(FAR), 404),
        ("/api/chat", json!({"model": FAR, "messages": []}), 404),
        ("/api/embed", json!({"model": EMBEDDER, "input": "x"}), 403),
        ("/api/chat", json!({"model": CHAT, "messages": 7}), 400),
        ("/api/pull", json!({"model": "x"}), 404),
    ] {
        let refused = api.post(path, body).await;
        assert_eq!(refused.status.as_u16(), status, "{path}: {}", refused.text());
        let body: Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert!(body["error"].is_string() && body.as_object().expect("an object").len() == 1, "{body}");
    }
    assert_eq!(api.get("/api/tags").await.status, 403);
    assert_eq!(server.stranger().get("/api/tags").await.status, 401);
    assert_eq!(server.stranger().get("/api/version").await.json()["version"], "0.17.4");
    settled(server, "entrance", CHAT).await;
}

/// Waits for the usage row of a tenant's one request to `model`.
async fn settled(server: &Server, tenant: &str, model: &str) {
    until("the usage row", Duration::from_secs(20), async || {
        let usage = server.admin().get(&format!("/admin/v1/tenants/{tenant}/usage")).await.json();
        usage["data"].as_array()?.iter().any(|row| row["of"] == model && row["requests"] == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_sent_as_ollama_sends_them() {
    let api = tenant(gateway().await, "entrance-lines").await;
    for model in [CHAT, FAR] {
        let body = json!({"model": model, "options": {"num_predict": 3}, "messages": [{"role": "user", "content": "Zähle: 一二三"}]});
        let opened = api.open(Method::POST, "/api/chat", Some(body)).await;
        let media = opened.0.headers().get(header::CONTENT_TYPE).expect("a media type").clone();
        assert_eq!(media, "application/x-ndjson");
        let text = opened.whole().await.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let (last, rest) = lines.split_last().expect("lines");
        assert!(rest.iter().all(|line| line["done"] == false && line["message"]["role"] == "assistant"), "{text}");
        assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &json!(3)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_assistant_answers_ollamas_clients_with_citations() {
    let api = tenant(gateway().await, "entrance-assistant").await;
    let library = Library::new(&api, "manuals").await;
    let file = library.index("pump.txt", b"The warranty of the pump lasts seven years.").await;
    for (name, model) in [("near", CHAT), ("far", FAR)] {
        let assistant = json!({"name": name, "model": model, "tools": [{"type": "file_search"}],
            "tool_resources": {"file_search": {"vector_store_ids": [library.id]}}});
        api.post("/v1/assistants", assistant).await.json();
        let question = json!({"role": "user", "content": "How long does the warranty of the pump last?"});
        let options = json!({"num_predict": 24, "temperature": 0});
        let body = json!({"model": format!("{name}:latest"), "messages": [question], "options": options});
        let text = api.open(Method::POST, "/api/chat", Some(body)).await.whole().await.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let last = lines.last().expect("lines");
        assert_eq!((&last["model"], &last["done"]), (&json!(format!("{name}:latest")), &json!(true)), "{text}");
        let least = if name == "far" { 30 } else { 1 }; // the passage is in the prompt; a quote alone needs no model
        assert!(last["prompt_eval_count"].as_u64().expect("a count") > least, "{last}");
        let cited = last["message"]["annotations"].as_array().cloned().unwrap_or_default();
        assert!(name == "far" || !cited.is_empty(), "models of this process quote: {last}");
        assert!(cited.iter().all(|note| note["file_id"] == json!(file)), "{last}");
    }
    let listed = api.get("/api/tags").await.json();
    assert!(listed["models"].as_array().expect("models").iter().any(|model| model["name"] == "near"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_model_is_shown_as_its_server_knows_it() {
    let api = tenant(gateway().await, "entrance-show").await;
    let shown = api.post("/api/show", json!({"model": FAR})).await.json();
    assert_eq!(shown["model_info"]["llama.context_length"], 8192, "{shown}");
    assert_eq!((&shown["capabilities"], &shown["details"]["parent_model"]), (&json!(["completion"]), &json!("")));
    assert!(shown.get("modelfile").is_none() && shown.get("template").is_none(), "{shown}");
    let near = api.post("/api/show", json!({"name": EMBEDDER})).await.json();
    assert_eq!(near["capabilities"], json!(["embedding"]));
}

/// `curl -d`, as in Ollama's own documents, says that it sends a form.
#[tokio::test(flavor = "multi_thread")]
async fn curl_as_in_ollamas_documents() {
    let server = gateway().await;
    let api = tenant(server, "entrance-curl").await;
    let ask = |api: &Api| {
        let mut curl = Command::new("curl");
        curl.args(["-sN", &format!("http://{}/api/generate", api.address)]);
        curl.args(["-H", &format!("Authorization: Bearer {}", api.key.as_deref().expect("a key"))]);
        curl.args(["-d", &json!({"model": CHAT, "prompt": "hi", "options": {"num_predict": 2}}).to_string()]);
        curl.output().expect("curl starts")
    };
    let output = tokio::task::spawn_blocking(move || ask(&api)).await.expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.lines().last().expect("lines").contains("\"done\":true"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ollama_python() {
    let server = gateway().await;
    let key = tenant(server, "ollama-python").await.key.expect("a key");
    let mut suite = Command::new(installed("python/requirements-ollama.txt").join("bin/python"));
    suite
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rA", "."])
        .current_dir(here().join("python/ollama"))
        .env("OLLAMA_HOST", format!("http://{}", server.address))
        .env("OLLAMA_API_KEY", key)
        .env("KUBEMATE_LOCAL_MODEL", CHAT)
        .env("KUBEMATE_FAR_MODEL", FAR)
        .env("KUBEMATE_EMBEDDING_MODEL", EMBEDDER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || suite.output().expect("python starts")).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

/// Runs a suite of OpenAI's clients for the real server's model, in a tenant of its own.
async fn passes(name: &str, mut suite: Command) {
    let server = gateway().await;
    let key = tenant(server, name).await.key.expect("a key");
    suite
        .env("KUBEMATE_BASE_URL", format!("http://{}/v1", server.address))
        .env("KUBEMATE_API_KEY", key)
        .env("KUBEMATE_CHAT_MODEL", FAR)
        .env("KUBEMATE_EMBEDDING_MODEL", FAR)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || suite.output().expect("python starts")).await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python_before_ollama() {
    passes("far-openai", pytest("python/requirements-openai3.txt", "far")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langchain_before_ollama() {
    let mut suite = pytest("python/requirements-langchain.txt", "chain");
    suite.args(["test_standard.py::TestChat", "-o", "asyncio_mode=auto"]);
    passes("far-langchain", suite).await;
}
