//! Answers that are wrong in their bytes, and what clients read of them.

use serde_json::Value;

use super::{LIMIT, ask, body, events, serve};
use crate::harness::{EVENTS, Faulty, Mood, WORD, until};

/// The words of a stream's events.
fn words(text: &str) -> String {
    let chunks = events(text).into_iter().filter(|data| data != "[DONE]");
    let chunks = chunks.map(|data| serde_json::from_str::<Value>(&data).unwrap_or_else(|_| panic!("not JSON: {data}")));
    chunks.filter_map(|chunk| Some(chunk.pointer("/choices/0/delta/content")?.as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_inside_a_character_leaves_whole_events_and_an_error() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    one.becomes(Mood::CutInCharacter);
    let answer = ask(&server.admin(), true).await;
    assert_eq!(answer.status, 200);
    let text = answer.text(); // UTF-8
    assert_eq!(words(&text), "oneone", "{text}");
    let last: Value = serde_json::from_str(events(&text).last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{text}");
    assert!(text.ends_with("\n\n") && !text.contains("[DONE]"), "{text}");
    let refused = ask(&server.admin(), false).await;
    assert!(refused.status.is_server_error(), "{}", refused.text());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_come_byte_by_byte_leave_whole() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    one.becomes(Mood::ByteByByte);
    for _ in 0..3 {
        let mut opened = server.admin().open(http::Method::POST, "/v1/chat/completions", Some(body("m", true))).await;
        let mut text = String::new();
        while let Some(piece) = opened.next().await {
            text.push_str(std::str::from_utf8(&piece).expect("no character is cut"));
        }
        assert_eq!(words(&text), WORD);
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_missing_or_said_twice_is_said_once() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    for mood in [Mood::WithoutDone, Mood::DoneTwice, Mood::Well, Mood::DoneTwice, Mood::WithoutDone, Mood::Well] {
        one.becomes(mood);
        let answer = ask(&server.admin(), true).await;
        let events = events(&answer.text());
        assert_eq!((events.len(), events.last().unwrap().as_str()), (EVENTS + 2, "[DONE]"), "{mood:?}: {events:?}");
        assert_eq!(events.iter().filter(|data| *data == "[DONE]").count(), 1, "{mood:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_place_of_an_answer_is_an_error() {
    let one = Faulty::start("one").await;
    let server = serve(&[&one], "").await;
    one.becomes(Mood::Page);
    for streams in [false, true] {
        let answer = ask(&server.admin(), streams).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(!answer.text().contains("log in"), "{}", answer.text());
        assert_eq!(answer.refused(502)["code"], "upstream_error");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_after_any_event_is_told() {
    let one = Faulty::start("one").await;
    let settings =
        "gap_timeout = \"200ms\"\nfirst_byte_timeout = \"500ms\"\nhealth = { failures = 1000, requests = 1000 }";
    let server = serve(&[&one], settings).await;
    for sent in 0..=EVENTS {
        one.becomes(Mood::StallingAfter(sent));
        let answer = ask(&server.admin(), true).await;
        if sent == 0 {
            assert_eq!(answer.refused(504)["code"], "upstream_error");
        } else {
            let text = answer.text();
            let events = events(&text);
            assert_eq!((events.len(), words(&text)), (sent + 1, "one".repeat(sent)), "{text}");
            assert!(events.last().unwrap().starts_with("{\"error\":{") && !text.contains("[DONE]"), "{text}");
        }
        until("the upstream's connection is closed", LIMIT, async || (one.open() == 0).then_some(())).await;
    }
    server.stop().await;
}
