//! kill -9 at any moment: no document is lost, doubled or half-visible, and what was deleted stays away.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, Library, Server, Setup, until};

/// Documents in each run.
const DOCUMENTS: usize = 8;
/// How often the server is killed while it ingests them.
const KILLS: usize = 10;

/// A document of several passages, each with the document's own word in it.
fn document(number: usize) -> String {
    let paragraph = format!(
        "The word of document {number} is zebra{number}. It was said in the harbour at night, and nobody answered. "
    );
    let section = |part: usize| format!("## Part {part}\n\n{}\n\n", paragraph.repeat(12));
    (0..3).map(section).collect()
}

/// A caller of a tenant that lives through restarts.
async fn caller(server: &Server, key: &mut Option<String>) -> Api {
    if key.is_none() {
        *key = crate::harness::tenant(server, "crash").await.key;
    }
    server.caller(key.as_deref().expect("a key"))
}

/// Passages of every file that searching shows, counted; a passage that shows twice fails.
async fn visible(library: &Library<'_>, files: &[String]) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for (number, own) in files.iter().enumerate() {
        let mut places = Vec::new();
        for hit in library.search(&format!("zebra{number}"), 50).await {
            let file = hit["file_id"].as_str().expect("a file").to_owned();
            places.push((file, hit["start"].as_u64().expect("a place")));
        }
        let mut once = places.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), places.len(), "a passage shows twice: {places:?}");
        seen.insert(own.clone(), places.iter().filter(|(file, _)| file == own).count());
    }
    seen
}

async fn status(library: &Library<'_>, file: &str) -> Value {
    library.api.get(&library.path(&format!("/files/{file}"))).await.json()["status"].clone()
}

/// Nothing of an unfinished file shows; a finished one shows whole, as often as when it was first finished.
async fn check(library: &Library<'_>, files: &[String], whole: &mut BTreeMap<String, usize>) {
    let before: Vec<Value> = futures::future::join_all(files.iter().map(|file| status(library, file))).await;
    let seen = visible(library, files).await;
    for (file, state) in files.iter().zip(before) {
        let after = status(library, file).await;
        assert!(["in_progress", "completed"].contains(&after.as_str().expect("a status")), "{file} is {after}");
        if after == "in_progress" {
            assert_eq!(seen[file], 0, "{file} is half-visible");
        } else if state == "completed" {
            let first = *whole.entry(file.clone()).or_insert(seen[file]);
            assert_eq!(seen[file], first, "{file} has changed");
            assert!(first >= 3, "{file} shows {first} passages");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_survive_being_killed_at_any_moment() {
    let mut setup = Setup::new().set("corpus.worker.lease", "2s");
    let (mut key, mut store, mut files, mut whole) = (None, None, Vec::new(), BTreeMap::new());
    for round in 0..KILLS {
        let server = setup.start().await;
        let api = caller(&server, &mut key).await;
        let library = match store.take() {
            Some(id) => Library { api: &api, id },
            None => Library::new(&api, "crash").await,
        };
        check(&library, &files, &mut whole).await;
        if files.len() < DOCUMENTS {
            let number = files.len();
            files.push(library.add(&format!("document-{number}.md"), document(number).as_bytes()).await);
        }
        moment(&library, &files, round).await;
        store = Some(library.id.clone());
        setup = server.kill().await;
    }
    let server = setup.start().await;
    let api = caller(&server, &mut key).await;
    let library = Library { api: &api, id: store.expect("a store") };
    for file in &files {
        assert_eq!(library.settled(file).await["status"], "completed");
    }
    check(&library, &files, &mut whole).await;
    assert_eq!(whole.len(), DOCUMENTS, "every document is there");
    let counts = api.get(&library.path("")).await.json()["file_counts"].clone();
    assert_eq!(
        (counts["completed"].as_u64(), counts["total"].as_u64()),
        (Some(DOCUMENTS as u64), Some(DOCUMENTS as u64))
    );
    assert_eq!(api.get("/v1/files?limit=100").await.json()["data"].as_array().expect("files").len(), DOCUMENTS);
    server.stop().await;
}

/// Waits for another moment in each round: at once, while a stage runs, or when one more document is done.
async fn moment(library: &Library<'_>, files: &[String], round: usize) {
    let newest = files.last().expect("a document");
    let percent = [0, 0, 10, 30, 50, 70, 90, 100, 1, 20][round % 10];
    until("progress", Duration::from_secs(120), async || {
        let file = library.api.get(&library.path(&format!("/files/{newest}"))).await.json();
        let reached = file["progress"]["percent"].as_u64().unwrap_or(0) >= percent;
        (reached || file["status"] == "completed").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_stays_away() {
    let mut setup = Setup::new();
    let mut key = None;
    for round in 0..3 {
        let server = setup.start().await;
        let api = caller(&server, &mut key).await;
        let library = Library::new(&api, "gone").await;
        let file = library.index(&format!("gone-{round}.md"), document(round).as_bytes()).await;
        assert_eq!(api.delete(&format!("/v1/files/{file}")).await.json()["deleted"], true);
        let store = library.id.clone();
        setup = server.kill().await;
        let server = setup.start().await;
        let api = caller(&server, &mut key).await;
        let library = Library { api: &api, id: store };
        assert_eq!(library.search(&format!("zebra{round}"), 50).await, Vec::<Value>::new());
        api.get(&format!("/v1/files/{file}")).await.refused(404);
        api.get(&library.path(&format!("/files/{file}"))).await.refused(404);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_cut_leaves_nothing() {
    let setup = Setup::new();
    let server = setup.start().await;
    let body = vec![b'x'; 48 * 1024 * 1024];
    let api = server.admin();
    let upload = tokio::spawn(async move { api.try_upload("cut.bin", &body).await.map(|answer| answer.json()) });
    let incoming = setup.folder().join("data/objects");
    until("the first bytes", Duration::from_secs(30), async || (size(&incoming) > 1024 * 1024).then_some(())).await;
    let setup = server.kill().await;
    let acknowledged = upload.await.expect("the task ends");
    let server = setup.start().await;
    let listed = server.admin().get("/v1/files").await.json();
    let kept = listed["data"].as_array().expect("files").len();
    assert_eq!(kept, usize::from(acknowledged.is_some()), "{listed}");
    if acknowledged.is_none() {
        until("the leftovers to be swept", Duration::from_secs(30), async || (size(&incoming) == 0).then_some(()))
            .await;
    }
    assert_eq!(server.admin().post("/v1/vector_stores", json!({})).await.status, 200);
    server.stop().await;
}

/// Bytes below a folder.
fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(
            |entry| {
                if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |meta| meta.len()) }
            },
        )
        .sum()
}
