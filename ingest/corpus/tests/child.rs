//! Reading in child processes: what comes back, and what becomes of children that go wrong.
#![cfg(test)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytesize::ByteSize;
use futures::StreamExt;
use kubemate_corpus::{ChildLimits, ChildParser, DocumentParser, ParseFailure, Upload};
use kubemate_objects::{ByteStream, once};
use kubemate_parse::{BlockKind, Document};

/// The example that cargo builds beside these tests.
fn worker() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let worker = tests.parent().unwrap().parent().unwrap().join("examples/parse_worker");
    assert!(worker.is_file(), "build it with `cargo build --release -p kubemate-corpus --examples`");
    worker
}

fn parser(mode: &str, limits: ChildLimits) -> ChildParser {
    ChildParser::new(worker(), vec![mode.to_owned()], limits)
}

fn small() -> ChildLimits {
    ChildLimits {
        memory: ByteSize::mib(64),
        cpu: Duration::from_secs(1),
        wall: Duration::from_secs(30),
        ..ChildLimits::default()
    }
}

fn upload(bytes: usize) -> Upload {
    Upload { filename: "note.md".into(), media_type: Some("text/markdown".into()), bytes: bytes as u64 }
}

async fn read(parser: &ChildParser, text: &str) -> Result<Document, ParseFailure> {
    parser.parse(&upload(text.len()), once(text.to_owned())).await
}

async fn code(parser: &ChildParser, text: &str) -> String {
    read(parser, text).await.unwrap_err().code
}

#[tokio::test]
async fn documents_come_back_from_the_child() {
    let parser = parser("read", small());
    for round in 0..5 {
        let document = read(&parser, &format!("# Title {round}\n\nBody.\n")).await.unwrap();
        assert_eq!(document.blocks[0].kind, BlockKind::Heading { level: 1 });
        assert!(document.text.contains(&format!("Title {round}")));
    }
    let failure = read(&parser, "").await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.is_transient), ("empty_file", false));
    assert!(read(&parser, "still there").await.is_ok());
}

#[tokio::test]
async fn many_files_at_once_share_a_few_children() {
    let parser = parser("read", ChildLimits { children: 2, ..small() });
    let texts: Vec<String> = (0..12).map(|number| format!("# {number}\n\n{}\n", "text ".repeat(2000))).collect();
    let documents = futures::future::join_all(texts.iter().map(|text| read(&parser, text))).await;
    assert!(documents.iter().all(Result::is_ok), "{documents:?}");
}

#[tokio::test]
async fn a_child_that_is_replaced_after_each_file_is_not_missed() {
    let parser = parser("read", ChildLimits { documents_per_child: 1, ..small() });
    for _ in 0..3 {
        assert!(read(&parser, "# A\n\ntext").await.is_ok());
    }
}

#[tokio::test]
async fn memory_is_limited() {
    assert_eq!(code(&parser("grow", small()), "x").await, "parse_crashed");
}

#[tokio::test]
async fn processor_time_is_limited() {
    let begun = Instant::now();
    assert_eq!(code(&parser("spin", small()), "x").await, "parse_timeout");
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[tokio::test]
async fn wall_time_is_limited() {
    let limits = ChildLimits { wall: Duration::from_millis(50), ..small() };
    let sleeper = ChildParser::new("/bin/sh".into(), vec!["-c".into(), "sleep 600".into()], limits);
    assert_eq!(code(&sleeper, "x").await, "parse_timeout");
}

#[tokio::test]
async fn a_child_that_aborts_is_a_failed_file() {
    let parser = parser("abort", small());
    assert_eq!(code(&parser, "x").await, "parse_crashed");
    assert_eq!(code(&parser, &"x".repeat(1 << 20)).await, "parse_crashed", "while it is still being sent");
}

#[tokio::test]
async fn output_is_limited() {
    let chatter = "head -c 8 /dev/zero | tr '\\0' '\\377'; exec cat >/dev/null".to_owned();
    let chatterbox = ChildParser::new("/bin/sh".into(), vec!["-c".into(), chatter], small());
    assert_eq!(code(&chatterbox, "x").await, "too_large");
    let parser = parser("read", ChildLimits { output: ByteSize::b(100), ..small() });
    assert_eq!(code(&parser, &"long text ".repeat(100)).await, "too_large");
}

#[tokio::test]
async fn a_file_above_the_limit_is_not_even_sent() {
    let mut limits = small();
    limits.limits.max_input_bytes = 10;
    assert_eq!(code(&parser("read", limits), "more than ten bytes").await, "too_large");
}

#[tokio::test]
async fn bytes_that_stop_coming_and_programs_that_are_missing_are_tried_again() {
    let body: ByteStream = futures::stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("gone"))]).boxed();
    let failure = parser("read", small()).parse(&upload(100), body).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.is_transient), ("bytes_unavailable", true));
    let missing = ChildParser::new("/nowhere/at/all".into(), Vec::new(), small());
    let failure = read(&missing, "x").await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.is_transient), ("parser_unavailable", true));
}
