//! Processes that share PostgreSQL, Redis and a bucket act as one, and one may be killed at any time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, Bucket, Library, Postgres, Redis, Server, Setup, Upstream, tenant, until};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(120);
/// Documents of the walk; each process takes about half of them in.
const DOCUMENTS: usize = 6;

/// The stores that processes share.
struct Stores {
    upstream: Upstream,
    postgres: Postgres,
    redis: Redis,
    bucket: Bucket,
}

impl Stores {
    async fn start() -> Self {
        let (upstream, postgres) = (Upstream::start().await, Postgres::start().await);
        Self { upstream, postgres, redis: Redis::start(), bucket: Bucket::start().await }
    }

    /// One more process. Its vectors are its own.
    fn process(&self) -> Setup {
        let setup = self.upstream.named("there").iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value));
        let shared = self.postgres.settings().into_iter().chain(self.redis.settings()).chain(self.bucket.settings());
        shared.fold(setup, |setup, (key, value)| setup.set(key, &value)).set("corpus.worker.lease", "2s")
    }
}

async fn part(server: &Server, name: &str) -> Value {
    let ready = server.stranger().get("/readyz").await;
    let body: Value = serde_json::from_slice(&ready.body).expect("JSON");
    body["parts"].as_array().expect("parts").iter().find(|part| part["name"] == name).cloned().unwrap_or_default()
}

async fn chat(api: &Api) -> u16 {
    let question = json!({"model": "there", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]});
    api.post("/v1/chat/completions", question).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_act_as_one_and_outlive_the_killing_of_one() {
    let stores = Stores::start().await;
    stores.upstream.answer(1000);
    let (left, right) = (stores.process(), stores.process());
    let (left, right) = tokio::join!(left.start(), right.start());

    let here = tenant(&left, "bank").await;
    let there = right.caller(here.key.as_deref().expect("a key"));
    assert_eq!((chat(&here).await, chat(&there).await), (200, 200), "a key made on one opens the other");

    let library = Library::new(&here, "shared").await;
    let elsewhere = Library { api: &there, id: library.id.clone() };
    let mut files = Vec::new();
    for number in 0..DOCUMENTS {
        let by = if number % 2 == 0 { &library } else { &elsewhere };
        let body = format!("# Note {number}\n\nThe harbour master counted {number} ships.\n");
        files.push((by.add(&format!("note-{number}.md"), body.as_bytes()).await, body));
    }
    let _same_folder = right.kill().await;
    for (file, body) in &files {
        assert_eq!(library.settled(file).await["status"], "completed");
        assert_eq!(here.get(&format!("/v1/files/{file}/content")).await.text(), *body, "its bytes are in the bucket");
    }
    let counts = here.get(&library.path("")).await.json()["file_counts"].clone();
    assert_eq!((&counts["completed"], &counts["total"]), (&json!(DOCUMENTS), &json!(DOCUMENTS)), "each of them once");
    left.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_on_one_process_is_refused_by_the_other() {
    let stores = Stores::start().await;
    stores.upstream.answer(1000);
    let (left, right) = (stores.process(), stores.process());
    let (left, right) = tokio::join!(left.start(), right.start());
    tenant(&left, "bank").await;
    let made = left.admin().post("/admin/v1/tenants/bank/keys", json!({"name": "walk"})).await.json();
    let there = right.caller(made["key"].as_str().expect("the secret is shown once"));
    assert_eq!(chat(&there).await, 200);
    let id = made["id"].as_str().expect("an id");
    left.admin().delete(&format!("/admin/v1/tenants/bank/keys/{id}")).await;
    until("the refusal", SOON, async || (chat(&there).await == 401).then_some(())).await;
    left.stop().await;
    right.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_bucket_a_process_is_degraded_and_chat_goes_on() {
    let stores = Stores::start().await;
    stores.upstream.answer(1000);
    let server = stores.process().start().await;
    assert_eq!(part(&server, "objects").await["ok"], true);
    stores.bucket.stop();
    until("its loss", SOON, async || (part(&server, "objects").await["ok"] == false).then_some(())).await;
    assert_eq!(server.stranger().get("/readyz").await.json()["status"], "degraded");
    assert_eq!(chat(&server.admin()).await, 200);
    let refused = server.admin().try_upload("late.txt", b"too late").await.expect("an answer");
    assert_eq!(refused.refused(503)["type"], "server_error");
    server.stop().await;
}
