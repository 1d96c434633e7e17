//! A document goes in, a cited answer comes out; deleted, it is gone; sent again, it costs nothing.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Api, CHAT, Event, Fact, Library, Server, documents, facts, shared, tenant};

/// Both documents in one store, and the ids of the PDF and the text.
async fn filled<'a>(api: &'a Api, name: &str) -> (Library<'a>, String, String) {
    let library = Library::new(api, name).await;
    let read = |name: &str| fs::read(documents().join(name)).expect("the document is there");
    let handbook = library.index("handbook.pdf", &read("handbook.pdf")).await;
    let shouce = library.index("shouce.txt", &read("shouce.txt")).await;
    (library, handbook, shouce)
}

fn question(fact: &Fact, store: &str) -> Value {
    json!({
        "model": CHAT,
        "messages": [{"role": "user", "content": fact.question}],
        "vector_store_ids": [store],
        "max_tokens": 80,
        "temperature": 0,
    })
}

/// Every citation points at words that stand there; returns the pages.
async fn check_citations(library: &Library<'_>, answer: &str, notes: &[Value]) -> Vec<Option<u64>> {
    for note in notes {
        assert_eq!(note["type"], "file_citation");
        let index = note["index"].as_u64().expect("a place") as usize;
        assert!((1..=answer.chars().count()).contains(&index), "{note} in {answer:?}");
        let text = library.text(note["file_id"].as_str().expect("a file")).await;
        let (start, end) =
            (note["start"].as_u64().expect("start") as usize, note["end"].as_u64().expect("end") as usize);
        assert_eq!(text[start..end].iter().collect::<String>(), note["quote"].as_str().expect("a quote"));
    }
    notes.iter().map(|note| note["page"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_answer_cites_the_page() {
    let api = tenant(shared().await, "spine-chat").await;
    let (library, handbook, _) = filled(&api, "manuals").await;
    let fact = facts()[0];
    let answer = api.post("/v1/chat/completions", question(&fact, &library.id)).await.json();
    let message = &answer["choices"][0]["message"];
    let text = message["content"].as_str().expect("text");
    let notes = message["annotations"].as_array().unwrap_or_else(|| panic!("no citation in {message}"));
    let pages = check_citations(&library, text, notes).await;
    assert!(pages.contains(&fact.page.map(u64::from)), "{notes:?}");
    assert!(notes.iter().any(|note| note["file_id"] == json!(handbook)), "{notes:?}");
    assert!(text.contains('['), "an offered mark stays where its citation is: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_response_cites_the_page() {
    let api = tenant(shared().await, "spine-responses").await;
    let (library, ..) = filled(&api, "manuals").await;
    let fact = facts()[2];
    let request = json!({
        "model": CHAT, "input": fact.question, "max_output_tokens": 60, "temperature": 0,
        "tools": [{"type": "file_search", "vector_store_ids": [library.id]}],
        "include": ["file_search_call.results"],
    });
    let events = api.stream("/v1/responses", request).await;
    let bodies: Vec<Value> = events.iter().filter(|event| event.data != "[DONE]").map(Event::json).collect();
    for (number, body) in bodies.iter().enumerate() {
        assert_eq!(body["sequence_number"].as_u64(), Some(number as u64));
    }
    let last = &bodies.last().expect("an end")["response"];
    let found = last["output"][0]["results"].as_array().expect("results were asked for");
    let holds = |result: &Value| result["text"].as_str().expect("text").replace('\n', " ").contains(fact.needle);
    assert!(found.iter().any(holds), "{found:?}");
    let part = &last["output"][1]["content"][0];
    let notes = part["annotations"].as_array().expect("annotations");
    let pages = check_citations(&library, part["text"].as_str().expect("text"), notes).await;
    assert!(pages.contains(&fact.page.map(u64::from)), "{part}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fact_is_found_on_its_page() {
    let api = tenant(shared().await, "spine-search").await;
    let (library, handbook, shouce) = filled(&api, "manuals").await;
    for fact in facts() {
        let hits = library.search(fact.question, 3).await;
        let file = if fact.file == "handbook.pdf" { &handbook } else { &shouce };
        let text = |hit: &Value| hit["content"][0]["text"].as_str().expect("text").replace('\n', " ");
        let hit =
            hits.iter().find(|hit| text(hit).contains(fact.needle)).unwrap_or_else(|| panic!("{fact:?} in {hits:?}"));
        assert_eq!(hit["file_id"].as_str(), Some(file.as_str()));
        if let Some(page) = fact.page {
            let pages = hit["page"].as_u64().expect("a page")..=hit["page_end"].as_u64().expect("a page");
            assert!(pages.contains(&page.into()), "{hit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_everywhere_at_once() {
    let api = tenant(shared().await, "spine-delete").await;
    let (library, handbook, shouce) = filled(&api, "manuals").await;
    assert_eq!(api.delete(&format!("/v1/files/{handbook}")).await.json()["deleted"], true);
    let hits = library.search("How long does the guarantee last?", 50).await;
    assert!(hits.iter().all(|hit| hit["file_id"] == json!(shouce)), "{hits:?}");
    api.get(&format!("/v1/files/{handbook}")).await.refused(404);
    api.get(&format!("/v1/files/{handbook}/content")).await.refused(404);
    api.get(&library.path(&format!("/files/{handbook}"))).await.refused(404);
    api.get(&library.path(&format!("/files/{handbook}/content"))).await.refused(404);
    assert_eq!(api.get(&library.path("")).await.json()["file_counts"]["total"], 1);
    let answer = api.post("/v1/chat/completions", question(&facts()[0], &library.id)).await.json();
    assert!(!answer.to_string().contains(&handbook), "{answer}");
    assert_eq!(api.delete(&library.path("")).await.json()["deleted"], true);
    api.get(&library.path("")).await.refused(404);
    api.post(&library.path("/search"), json!({"query": "guarantee"})).await.refused(404);
    api.post("/v1/chat/completions", question(&facts()[0], &library.id)).await.refused(404);
    assert_eq!(api.get(&format!("/v1/files/{shouce}")).await.json()["id"], json!(shouce));
}

/// Passages that were embedded for documents so far.
async fn embedded(server: &Server) -> f64 {
    let metrics = server.stranger().get("/metrics").await.text();
    let lines = metrics.lines().filter(|line| line.starts_with("kubemate_ingest_embedded_passages_total"));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_the_same_again_embeds_nothing() {
    let server = Server::start().await;
    let api = tenant(&server, "again").await;
    let library = Library::new(&api, "notes").await;
    let note = "The attic key hangs behind the clock.\n\nThe cellar key is under the mat.\n";
    let first = library.index("keys.txt", note.as_bytes()).await;
    let before = embedded(&server).await;
    assert!(before > 0.0, "the first time costs something");
    let attached = api.post(&library.path("/files"), json!({"file_id": first})).await.json();
    assert_eq!(attached["id"], json!(first));
    assert_eq!(library.settled(&first).await["status"], "completed");
    assert_eq!(embedded(&server).await, before, "the same file in the same store");
    let second = library.index("keys-copy.txt", note.as_bytes()).await;
    assert_eq!(embedded(&server).await, before, "the same bytes as another file");
    let hits = library.search("Where is the attic key?", 10).await;
    let files: Vec<_> = hits.iter().filter_map(|hit| hit["file_id"].as_str()).collect();
    assert!(files.contains(&first.as_str()) && files.contains(&second.as_str()), "{files:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_assistant_is_a_model_that_cites() {
    let api = tenant(shared().await, "spine-assistant").await;
    let (library, ..) = filled(&api, "manuals").await;
    let assistant = json!({
        "name": "helpdesk", "model": CHAT, "instructions": "Answer from the handbook.",
        "tools": [{"type": "file_search"}], "tool_resources": {"file_search": {"vector_store_ids": [library.id]}},
    });
    api.post("/v1/assistants", assistant).await.json();
    let models = api.get("/v1/models").await.json();
    assert!(models["data"].as_array().expect("models").iter().any(|model| model["id"] == "helpdesk"), "{models}");
    let mut ask = question(&facts()[0], "unused");
    ask["model"] = json!("helpdesk");
    ask.as_object_mut().expect("an object").remove("vector_store_ids");
    let answer = api.post("/v1/chat/completions", ask.clone()).await.json();
    assert_eq!(answer["model"], "helpdesk");
    let message = &answer["choices"][0]["message"];
    let notes = message["annotations"].as_array().unwrap_or_else(|| panic!("no citation in {message}"));
    check_citations(&library, message["content"].as_str().expect("text"), notes).await;
    let other = tenant(shared().await, "spine-assistant-other").await;
    assert_eq!(other.post("/v1/chat/completions", ask).await.refused(404)["code"], "model_not_found");
}
