//! What the doors refuse, in which shape, and what they say of what they did.

use http::{Method, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, CHAT, EMBEDDER, Library, shared, tenant};

/// The problem of an admin call that was refused.
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{}", answer.text());
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["status"], status);
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_the_shape_of_its_door() {
    let server = shared().await;
    let (admin, stranger) = (server.admin(), server.stranger());
    assert_eq!(problem(&admin.get("/admin/v1/nope").await, 404)["code"], "unknown_url");
    assert_eq!(problem(&admin.call(Method::PUT, "/admin/v1/tenants", None).await, 405)["code"], "method_not_allowed");
    problem(&stranger.get("/admin/v1/tenants").await, 401);
    problem(&admin.post("/admin/v1/tenants?key=km-1", json!({"name": "a"})).await, 400);
    assert_eq!(admin.get("/v1/nope").await.refused(404)["code"], "unknown_url");
    assert_eq!(admin.call(Method::PUT, "/v1/models", None).await.refused(405)["code"], "method_not_allowed");
    for path in ["/docs/../../x", "/docs/nope.js", "/docs/%ff"] {
        assert_eq!(stranger.get(path).await.refused(404)["code"], "unknown_url", "{path}");
    }
    assert_eq!(stranger.get("/docs/").await.status, 200);
    assert_eq!(stranger.call(Method::PUT, "/docs/", None).await.refused(405)["code"], "method_not_allowed");
    for path in ["/v1/embeddings", "/v1/chat/completions", "/v1/responses", "/v1/vector_stores", "/v1/assistants"] {
        let message = admin.post(path, json!(7)).await.refused(400)["message"].to_string();
        assert!(message.contains("a JSON object") && !message.contains("struct"), "{path}: {message}");
    }
    let key = problem(&admin.post("/admin/v1/tenants/default/keys", json!([])).await, 400);
    assert!(!key["detail"].to_string().contains("struct"), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_projects_are_named_and_hold_what_was_said() {
    let server = shared().await;
    tenant(server, "doors-keys").await;
    let admin = server.admin();
    let keys = "/admin/v1/tenants/doors-keys/keys";
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "n".repeat(201)}), "name"),
        (json!({"name": "k", "models": []}), "models"),
        (json!({"name": "k", "scopes": []}), "scopes"),
    ] {
        let detail = problem(&admin.post(keys, body).await, 400)["detail"].to_string();
        assert!(detail.contains(&format!("`{field}`")), "{field}: {detail}");
    }
    let made = admin.post(keys, json!({"name": "k", "models": [CHAT], "scopes": ["chat"]})).await.json();
    assert_eq!((&made["models"], &made["scopes"]), (&json!([CHAT]), &json!(["chat"])));
    for name in ["", "a\u{0}", "a\u{202E}b"] {
        problem(&admin.post("/admin/v1/tenants/doors-keys/projects", json!({"name": name})).await, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_say_what_they_cut() {
    let api = tenant(shared().await, "doors-embeddings").await;
    let long = "the tide comes in and goes out again ".repeat(200);
    let embed = |extra: Value| {
        let mut body = json!({"model": EMBEDDER, "input": ["short", long]});
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        body
    };
    let cut = api.post("/v1/embeddings", embed(json!({}))).await;
    assert_eq!(cut.json()["data"].as_array().expect("vectors").len(), 2);
    assert_eq!(cut.headers["x-kubemate-truncated"], "1");
    let refused = api.post("/v1/embeddings", embed(json!({"truncate": false}))).await.refused(400);
    assert_eq!((&refused["code"], &refused["param"]), (&json!("context_length_exceeded"), &json!("input")));
    assert!(refused["message"].to_string().contains("512"), "{refused}");
    let whole = api.post("/v1/embeddings", json!({"model": EMBEDDER, "input": "short", "truncate": false})).await;
    assert!(whole.json()["data"].is_array() && !whole.headers.contains_key("x-kubemate-truncated"));
    for input in [json!(vec![9906; 300_001]), json!([vec![9906; 8193]]), json!(vec![vec![9906; 8000]; 38])] {
        let refused = api.post("/v1/embeddings", json!({"model": EMBEDDER, "input": input})).await.refused(400);
        assert_eq!(refused["param"], "input", "{refused}");
    }
    let ids = api.post("/v1/embeddings", json!({"model": EMBEDDER, "input": [[9906, 1917], [9906]]})).await.json();
    assert_eq!(ids["data"].as_array().expect("vectors").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_refuse_what_would_take_for_ever_or_mean_nothing() {
    let api = tenant(shared().await, "doors-search").await;
    let library = Library::new(&api, "notes").await;
    let one = json!({"type": "in", "key": "k", "value": [1, 2, 3]});
    let flood = json!({"type": "or", "filters": vec![one; 20_000]});
    let search = |extra: (&str, Value)| json!({"query": "tide", extra.0: extra.1});
    let refused = api.post(&library.path("/search"), search(("filters", flood.clone()))).await.refused(400);
    assert_eq!(refused["param"], "filters");
    let ranker = json!({"ranker": "cohere"});
    let refused = api.post(&library.path("/search"), search(("ranking_options", ranker.clone()))).await.refused(400);
    assert_eq!(refused["param"], "ranking_options.ranker");
    let mut chat = json!({"model": CHAT, "messages": [{"role": "user", "content": "tide?"}]});
    chat["vector_store_ids"] = json!([library.id]);
    chat["ranking_options"] = ranker;
    assert_eq!(api.post("/v1/chat/completions", chat).await.refused(400)["param"], "ranking_options.ranker");
    api.post(&library.path("/search"), search(("ranking_options", json!({"ranker": "auto"})))).await.json();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_uploads_show_what_they_are() {
    let api = tenant(shared().await, "doors-uploads").await;
    for (sent, kept) in [
        ("invoice\u{202E}fdp.txt", "invoicefdp.txt"),
        ("a\u{200B}b\u{FEFF}.txt", "ab.txt"),
        ("../../合同.txt", "合同.txt"),
        ("_.txt\"; filename*=UTF-8''%E5%90%88%E5%90%8C.txt; x=\"", "合同.txt"),
    ] {
        let id = api.upload(sent, b"text").await;
        assert_eq!(api.get(&format!("/v1/files/{id}")).await.json()["filename"], kept, "{sent:?}");
    }
}

async fn ask(api: &Api, extra: Value) -> Value {
    let mut body = json!({"model": CHAT, "input": "Say hi.", "max_output_tokens": 16});
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    api.post("/v1/responses", body).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_tells_how_it_was_drawn() {
    let api = tenant(shared().await, "doors-drawn").await;
    let advised = ask(&api, json!({})).await;
    assert!(advised["temperature"].as_f64().expect("a number") < 1.0, "as the makers advise: {advised}");
    let said = ask(&api, json!({"temperature": 0, "top_p": 0.5})).await;
    assert_eq!((&said["temperature"], &said["top_p"]), (&json!(0.0), &json!(0.5)));
    let path = format!("/v1/responses/{}", said["id"].as_str().expect("an id"));
    assert_eq!(api.get(&format!("{path}?stream=true")).await.refused(400)["param"], "stream");
    assert_eq!(api.get(&format!("{path}?stream=false")).await.json()["id"], said["id"]);
    let body = json!({"model": CHAT, "input": [], "reasoning": {"effort": "high"}});
    assert_eq!(api.post("/v1/responses", body).await.refused(400)["param"], "input");
    let body = json!({"model": CHAT, "input": "Hi", "reasoning": {"effort": "high"}});
    assert_eq!(api.post("/v1/responses", body).await.refused(400)["param"], "reasoning.effort");
    let body = json!({"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "web_search_options": {}});
    assert_eq!(api.post("/v1/chat/completions", body).await.refused(400)["param"], "web_search_options");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_items_of_a_response_come_in_pages() {
    let api = tenant(shared().await, "doors-items").await;
    let said = |text: &str| json!({"role": "user", "content": text});
    let response = ask(&api, json!({"input": [said("one"), said("two"), said("three")]})).await;
    let path = format!("/v1/responses/{}/input_items", response["id"].as_str().expect("an id"));
    let texts = |list: &Value| -> Vec<String> {
        let items = list["data"].as_array().expect("items").iter();
        items.map(|item| item["content"][0]["text"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(texts(&api.get(&path).await.json()), ["three", "two", "one"]);
    let first = api.get(&format!("{path}?order=asc&limit=2")).await.json();
    assert_eq!((texts(&first).join(" "), &first["has_more"]), ("one two".to_owned(), &json!(true)));
    let after = first["last_id"].as_str().expect("an id");
    let rest = api.get(&format!("{path}?order=asc&limit=2&after={after}")).await.json();
    assert_eq!((texts(&rest).join(" "), &rest["has_more"]), ("three".to_owned(), &json!(false)));
    assert_eq!(api.get(&format!("{path}?after=msg_x")).await.refused(400)["param"], "after");
    assert_eq!(api.get(&format!("{path}?limit=101")).await.refused(400)["param"], "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assistant_is_changed_field_by_field_and_outlives_its_store() {
    let api = tenant(shared().await, "doors-assistant").await;
    let library = Library::new(&api, "notes").await;
    let made = json!({
        "name": "sailor", "model": CHAT, "instructions": "Be brief.", "temperature": 0.5, "metadata": {"k": "v"},
        "tool_resources": {"file_search": {"vector_store_ids": [library.id]}},
    });
    let made = api.post("/v1/assistants", made).await.json();
    let path = format!("/v1/assistants/{}", made["id"].as_str().expect("an id"));
    let inline = json!({"tool_resources": {"file_search": {"vector_stores": [{"file_ids": []}]}}});
    let refused = api.post(&path, inline).await.refused(400);
    assert_eq!(refused["param"], "tool_resources.file_search.vector_stores");
    let cleared = api.post(&path, json!({"temperature": null, "instructions": null, "metadata": null})).await.json();
    assert_eq!((&cleared["temperature"], &cleared["instructions"]), (&json!(null), &json!("")));
    assert_eq!((&cleared["metadata"], &cleared["name"]), (&json!({}), &json!("sailor")));
    assert_eq!(api.post(&path, json!({"name": null})).await.refused(400)["param"], "name");
    assert_eq!(api.post(&path, json!({"temperature": 3})).await.refused(400)["param"], "temperature");
    api.delete(&library.path("")).await.json();
    assert!(listed(&api).await.contains(&"sailor".to_owned()));
    assert_eq!(api.post(&path, json!({"name": "captain"})).await.json()["name"], "captain");
    let names = listed(&api).await;
    assert!(names.contains(&"captain".to_owned()) && !names.contains(&"sailor".to_owned()), "{names:?}");
    let chat = json!({"model": "captain", "messages": [{"role": "user", "content": "tide?"}]});
    let refused = api.post("/v1/chat/completions", chat.clone()).await.refused(404);
    assert!(refused["message"].to_string().contains(&library.id), "{refused}");
    let without = api.post(&path, json!({"tool_resources": null})).await.json();
    assert_eq!(without["tool_resources"]["file_search"]["vector_store_ids"], json!([]));
    let mut chat = chat;
    chat["max_tokens"] = json!(8);
    api.post("/v1/chat/completions", chat).await.json();
}

/// The names that this caller may ask for.
async fn listed(api: &Api) -> Vec<String> {
    let models = api.get("/v1/models").await.json();
    let names = models["data"].as_array().expect("models").iter().map(|model| model["id"].as_str().expect("a name"));
    names.map(str::to_owned).collect()
}
