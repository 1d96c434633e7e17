//! What belongs to another tenant does not exist: same answer as for an id that nobody has, on every verb and every way round.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, CHAT, EMBEDDER, Library, Server, shared, tenant};

/// Everything one tenant can own, by id.
struct Owned {
    file: String,
    store: String,
    batch: String,
    response: String,
    assistant: String,
}

async fn owned(api: &Api) -> Owned {
    let library = Library::new(api, "secret").await;
    let file = library.index("secret.txt", "The password of the attic is marmalade.".as_bytes()).await;
    let batch = api.post(&library.path("/file_batches"), json!({"file_ids": [file]})).await.json();
    let response =
        api.post("/v1/responses", json!({"model": CHAT, "input": "Hi", "max_output_tokens": 16})).await.json();
    let assistant = api.post("/v1/assistants", json!({"name": "secret", "model": CHAT})).await.json();
    let id = |object: &Value| object["id"].as_str().expect("an id").to_owned();
    Owned { file, store: library.id, batch: id(&batch), response: id(&response), assistant: id(&assistant) }
}

/// An id of the same form that nobody has.
fn stranger(id: &str) -> String {
    let (prefix, rest) = id.split_at(id.find(['-', '_']).expect("a prefix") + 1);
    let turned = |digit: char| char::from_digit(15 - digit.to_digit(16).expect("hexadecimal"), 16).expect("a digit");
    format!("{prefix}{}", rest.chars().map(turned).collect::<String>())
}

impl Owned {
    /// The same things as ids that nobody has.
    fn strangers(&self) -> Self {
        let Self { file, store, batch, response, assistant } = self;
        Self {
            file: stranger(file),
            store: stranger(store),
            batch: stranger(batch),
            response: stranger(response),
            assistant: stranger(assistant),
        }
    }

    /// Every call that names one of them, from outside; `own` is a store of the caller.
    fn calls(&self, own: &str) -> Vec<(Method, String, Option<Value>)> {
        let Self { file, store, batch, response, assistant } = self;
        let get = |path: String| (Method::GET, path, None);
        let delete = |path: String| (Method::DELETE, path, None);
        let post = |path: String, body: Value| (Method::POST, path, Some(body));
        let in_store = |rest: &str| format!("/v1/vector_stores/{store}{rest}");
        let chat =
            json!({"model": CHAT, "messages": [{"role": "user", "content": "password?"}], "vector_store_ids": [store]});
        let search = json!([{"type": "file_search", "vector_store_ids": [store]}]);
        vec![
            get(format!("/v1/files/{file}")),
            get(format!("/v1/files/{file}/content")),
            delete(format!("/v1/files/{file}")),
            get(in_store("")),
            post(in_store(""), json!({"name": "mine"})),
            delete(in_store("")),
            post(in_store("/search"), json!({"query": "password"})),
            get(in_store("/files")),
            post(in_store("/files"), json!({"file_id": file})),
            get(in_store(&format!("/files/{file}"))),
            post(in_store(&format!("/files/{file}")), json!({"attributes": {"a": 1}})),
            get(in_store(&format!("/files/{file}/content"))),
            delete(in_store(&format!("/files/{file}"))),
            post(in_store("/file_batches"), json!({"file_ids": [file]})),
            get(in_store(&format!("/file_batches/{batch}"))),
            get(in_store(&format!("/file_batches/{batch}/files"))),
            post(in_store(&format!("/file_batches/{batch}/cancel")), json!({})),
            post(format!("/v1/vector_stores/{own}/files"), json!({"file_id": file})),
            get(format!("/v1/vector_stores/{own}/files/{file}")),
            get(format!("/v1/vector_stores/{own}/files/{file}/content")),
            post(format!("/v1/vector_stores/{own}/file_batches"), json!({"file_ids": [file]})),
            get(format!("/v1/vector_stores/{own}/file_batches/{batch}")),
            post("/v1/vector_stores".to_owned(), json!({"name": "mine", "file_ids": [file]})),
            get(format!("/v1/responses/{response}")),
            get(format!("/v1/responses/{response}/input_items")),
            delete(format!("/v1/responses/{response}")),
            post("/v1/responses".to_owned(), json!({"model": CHAT, "input": "Hi", "previous_response_id": response})),
            post("/v1/responses".to_owned(), json!({"model": CHAT, "input": "password?", "tools": search})),
            post("/v1/chat/completions".to_owned(), chat),
            get(format!("/v1/assistants/{assistant}")),
            post(format!("/v1/assistants/{assistant}"), json!({"instructions": "leak"})),
            delete(format!("/v1/assistants/{assistant}")),
            post(
                "/v1/assistants".to_owned(),
                json!({"name": "mine", "model": CHAT, "tool_resources": {"file_search": {"vector_store_ids": [store]}}}),
            ),
        ]
    }

    /// The answer's text with ids blanked, so that answers for different ids can be compared.
    fn blanked(&self, answer: &Answer) -> String {
        let ids = [&self.file, &self.store, &self.batch, &self.response, &self.assistant];
        ids.into_iter().fold(answer.text(), |text, id| text.replace(id, "*"))
    }
}

/// Whether the answer is about a response that cannot be continued.
fn is_continuation(answer: &Answer) -> bool {
    answer.text().contains("previous_response_not_found")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_tenant_exists() {
    let server = shared().await;
    let (theirs, mine) = (tenant(server, "iso-theirs").await, tenant(server, "iso-mine").await);
    let secret = owned(&theirs).await;
    let nobody = secret.strangers();
    let own = Library::new(&mine, "own").await;
    for (foreign, random) in secret.calls(&own.id).into_iter().zip(nobody.calls(&own.id)) {
        let what = format!("{} {}", foreign.0, foreign.1);
        let (foreign, random) =
            (mine.call(foreign.0, &foreign.1, foreign.2).await, mine.call(random.0, &random.1, random.2).await);
        // 404 where the path or a field names an object; a response that is continued is a wrong field, as at OpenAI.
        let refused = if is_continuation(&random) { 400 } else { 404 };
        assert_eq!(foreign.status, refused, "{what}: {}", foreign.text());
        assert_eq!((foreign.status, secret.blanked(&foreign)), (random.status, nobody.blanked(&random)), "{what}");
    }
    for list in ["/v1/files", "/v1/vector_stores", "/v1/assistants"] {
        let text = mine.get(list).await.text();
        assert!(
            !text.contains(&secret.file) && !text.contains(&secret.store) && !text.contains(&secret.assistant),
            "{text}"
        );
    }
    assert_eq!(
        mine.post("/v1/chat/completions", json!({"model": "secret", "messages": [{"role": "user", "content": "Hi"}]}))
            .await
            .refused(404)["code"],
        "model_not_found"
    );
    intact(&theirs, &secret).await;
}

/// The owner still has everything as it was.
async fn intact(api: &Api, secret: &Owned) {
    let library = Library { api, id: secret.store.clone() };
    assert_eq!(library.search("password of the attic", 5).await.len(), 1);
    assert_eq!(api.get(&library.path("")).await.json()["name"], "secret");
    assert_eq!(api.get(&format!("/v1/responses/{}", secret.response)).await.json()["id"], json!(secret.response));
    assert_eq!(api.get(&format!("/v1/assistants/{}", secret.assistant)).await.json()["name"], "secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_one_tenant_rules_no_other() {
    let server = shared().await;
    tenant(server, "iso-ruled").await;
    tenant(server, "iso-other").await;
    let path = "/admin/v1/tenants/iso-ruled/keys";
    let key = server.admin().post(path, json!({"name": "ruler", "scopes": ["admin", "chat"]})).await.json();
    let ruler = server.caller(key["key"].as_str().expect("a secret"));
    assert_eq!(ruler.get(path).await.status, 200);
    for method in [Method::GET, Method::POST] {
        let body = (method == Method::POST).then(|| json!({"name": "intruder"}));
        let foreign = ruler.call(method.clone(), "/admin/v1/tenants/iso-other/keys", body.clone()).await;
        let random = ruler.call(method, "/admin/v1/tenants/iso-nobody/keys", body).await;
        assert_eq!(foreign.status, 404);
        assert_eq!(foreign.text().replace("iso-other", "*"), random.text().replace("iso-nobody", "*"));
    }
    let listed = ruler.get("/admin/v1/tenants").await.json();
    assert_eq!(listed["data"].as_array().expect("tenants").len(), 1, "{listed}");
    assert_eq!(ruler.post("/admin/v1/tenants", json!({"name": "iso-new"})).await.status, 403);
    let wider = ruler.post(path, json!({"name": "wider", "scopes": ["files"]})).await;
    assert_eq!(wider.status, 403, "a key cannot make a key with more rights: {}", wider.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_key_reaches_no_further_through_what_it_saves() {
    let server = shared().await;
    let api = tenant(server, "iso-narrow").await;
    let secret = owned(&api).await;
    let narrow = async |rights: Value| {
        let key = server.admin().post("/admin/v1/tenants/iso-narrow/keys", rights).await.json();
        server.caller(key["key"].as_str().expect("a secret"))
    };
    let saver = narrow(json!({"name": "saver", "scopes": ["assistants", "chat"]})).await;
    let resources = json!({"file_search": {"vector_store_ids": [secret.store]}});
    let leak = json!({"name": "leak", "model": CHAT, "tool_resources": resources});
    assert_eq!(saver.post("/v1/assistants", leak).await.refused(403)["code"], "insufficient_permissions");
    let path = format!("/v1/assistants/{}", secret.assistant);
    assert_eq!(saver.post(&path, json!({"tool_resources": resources})).await.status, 403);
    assert_eq!(saver.post(&path, json!({"description": "harmless"})).await.json()["description"], "harmless");
    let chatter = narrow(json!({"name": "chatter", "models": [CHAT]})).await;
    let store = chatter.post("/v1/vector_stores", json!({"embedding_model": EMBEDDER})).await.refused(404);
    assert_eq!(store["code"], "model_not_found");
    chatter.post("/v1/vector_stores", json!({"name": "as configured"})).await.json();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_opens_nothing_within_a_second() {
    let server = shared().await;
    let api = tenant(server, "iso-revoked").await;
    assert_eq!(api.get("/v1/models").await.status, 200);
    let keys = server.admin().get("/admin/v1/tenants/iso-revoked/keys").await.json();
    let id = keys["data"][0]["id"].as_str().expect("an id");
    server.admin().delete(&format!("/admin/v1/tenants/iso-revoked/keys/{id}")).await;
    let revoked = std::time::Instant::now();
    crate::harness::until("the revocation", std::time::Duration::from_secs(1), async || {
        (api.get("/v1/models").await.status == 401).then_some(())
    })
    .await;
    assert!(revoked.elapsed().as_millis() <= 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_at_the_terminal_works_at_once() {
    let server = Server::start().await;
    let hidden = server.setup().command(&["keys", "create", "de\u{202E}mo"]).output().expect("it runs");
    assert!(!hidden.status.success() && String::from_utf8_lossy(&hidden.stderr).contains("U+202E"), "{hidden:?}");
    let made = server
        .setup()
        .command(&["--json", "keys", "create", "demo", "--tenant", "terminal"])
        .output()
        .expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let api = server.caller(key["key"].as_str().expect("a secret"));
    assert_eq!(api.get("/v1/models").await.status, 200);
    let revoked = server
        .setup()
        .command(&["keys", "revoke", key["id"].as_str().expect("an id"), "--tenant", "terminal"])
        .status();
    assert!(revoked.expect("it runs").success());
    crate::harness::until("the revocation", std::time::Duration::from_secs(2), async || {
        (api.get("/v1/models").await.status == 401).then_some(())
    })
    .await;
    server.stop().await;
}

/// The published paths, their parameters filled in, with their methods.
fn doors(tenant: &str) -> Vec<(Method, String)> {
    let published: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).expect("JSON");
    let fill = |part: &str| match part {
        "{tenant}" | "{subject}" => tenant.to_owned(),
        "{scope}" => "tenant".to_owned(),
        _ if part.starts_with('{') => "somebody-s".to_owned(),
        _ => part.to_owned(),
    };
    let paths = published["paths"].as_object().expect("paths").iter();
    let calls = paths.flat_map(|(path, verbs)| {
        let path: Vec<String> = path.split('/').map(fill).collect();
        let verbs = verbs.as_object().expect("verbs").keys().map(|verb| verb.to_uppercase());
        verbs.filter_map(move |verb| Some((verb.parse().ok()?, path.join("/")))).collect::<Vec<_>>()
    });
    calls.collect()
}

/// A body that most doors take.
fn body_of(method: &Method, path: &str) -> Option<Value> {
    let body = if path.contains("/limits/") { json!({"rpm": 1}) } else { json!({"name": "somebody-s"}) };
    (method == Method::POST || method == Method::PUT).then_some(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_door_asks_who_is_there() {
    const OPEN: [&str; 5] = ["/healthz", "/readyz", "/metrics", "/api/version", "/openapi.json"];
    let server = shared().await;
    tenant(server, "doors-theirs").await;
    tenant(server, "doors-mine").await;
    let key = async |scopes: &[&str]| {
        let key = json!({"name": "door", "scopes": scopes});
        let made = server.admin().post("/admin/v1/tenants/doors-mine/keys", key).await.json();
        server.caller(made["key"].as_str().expect("a secret"))
    };
    let (narrow, own) = (key(&["chat"]).await, key(&["admin"]).await);
    let doors = doors("doors-theirs");
    assert!(doors.len() > 60, "{doors:?}");
    for (method, path) in doors {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let call = async |api: &Api| api.call(method.clone(), &path, body_of(&method, &path)).await.status.as_u16();
        assert_eq!(call(&server.stranger()).await, 401, "{method} {path} without a key");
        assert_eq!(call(&server.caller("km-nobody")).await, 401, "{method} {path} with a key that nobody has");
        if !path.starts_with("/admin/") {
            continue;
        }
        assert_eq!(call(&narrow).await, 403, "{method} {path} with a key for chat");
        let status = call(&own).await;
        let reads = method == Method::GET && !path.contains("doors-theirs");
        assert!(
            matches!(status, 400 | 403 | 404) || (reads && status == 200),
            "{method} {path} from another tenant: {status}"
        );
        assert!(
            !path.contains("doors-theirs") || matches!(status, 403 | 404),
            "{method} {path} names another tenant: {status}"
        );
    }
}
