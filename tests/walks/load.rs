//! Eight chats at once while a book is ingested.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use serde_json::json;

use crate::harness::{Api, CHAT, Library, until};

/// A book of numbered sections, each with a fact of its own: about 40 pages, 150 passages.
fn book() -> String {
    (1..=120).fold(String::from("# The book of lanterns\n"), |mut book, number| {
        let body = "Its glass was blown by hand, its frame was forged from old ship nails, and its wick was spun from \
                    linen that had been soaked in oil for a whole winter. Travellers who passed the harbour at night \
                    told of its light long after they had forgotten the name of the town. The keeper cleaned it every \
                    morning with ash and vinegar and wrote the hour into a ledger that nobody ever read. ";
        write!(book, "\n## Lantern {number}\n\nLantern {number} hangs in house {}. {}\n", number * 7, body.repeat(2))
            .expect("text grows");
        book
    })
}

/// One streamed chat; how long its first token took.
async fn chat(api: &Api, number: usize) -> Duration {
    let body = json!({
        "model": CHAT, "stream": true, "max_tokens": 24,
        "messages": [{"role": "user", "content": format!("Say something about the number {number}.")}],
    });
    let begun = Instant::now();
    let mut open = api.open(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(open.0.status(), 200);
    open.next().await.expect("the answer begins");
    let first = begun.elapsed();
    let rest = open.whole().await.text();
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_chats_while_a_book_is_ingested() {
    let server = crate::harness::Server::start().await;
    let api = crate::harness::tenant(&server, "load").await;
    let library = Library::new(&api, "books").await;
    chat(&api, 0).await; // loads the model
    let file = library.add("book.md", book().as_bytes()).await;
    let state = library.path(&format!("/files/{file}"));
    until("the start of ingest", Duration::from_secs(120), async || {
        let file = api.get(&state).await.json();
        (file["progress"]["percent"].as_u64() > Some(0) || file["status"] != "in_progress").then_some(())
    })
    .await;
    let chats = join_all((1..=8).map(|number| chat(&api, number)));
    let stranger = server.stranger();
    let health = async { stranger.get("/healthz").await.text() };
    // Whoever is first ends the race: health does not wait for anything that computes.
    tokio::pin!(chats);
    let healthy = tokio::select! {
        biased;
        _ = &mut chats => panic!("eight chats were done before health was told"),
        healthy = health => healthy,
    };
    assert_eq!(healthy, "ok");
    let firsts = chats.await;
    let while_ingesting = api.get(&state).await.json()["status"] == "in_progress";
    println!("first tokens of eight: {firsts:?}; the book was still being ingested: {while_ingesting}");
    assert_eq!(library.settled(&file).await["status"], "completed");
    let hits = library.search("In which house does lantern 77 hang?", 5).await;
    assert!(hits.iter().any(|hit| hit["content"][0]["text"].as_str().expect("text").contains("house 539")), "{hits:?}");
    server.stop().await;
}
