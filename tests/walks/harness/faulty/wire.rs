//! What the upstream writes: answers as OpenAI's servers send them, and what goes wrong with them.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::EVENTS;

/// A word whose characters take three bytes each.
pub(crate) const WORD: &str = "断流测试";

pub(super) async fn plain(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

pub(super) fn completion(name: &str) -> String {
    let message = format!("{{\"role\":\"assistant\",\"content\":\"{name}\"}}");
    let usage = "{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}";
    format!(
        "{{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{message},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}"
    )
}

/// A chunk with one event.
pub(super) fn event(delta: &str, finish: &str) -> String {
    chunk(&data(delta, finish))
}

fn data(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

pub(super) async fn some_events(stream: &mut TcpStream, name: &str, count: usize) {
    let head = head();
    let events: String = (0..count).map(|_| event(&format!("{{\"content\":\"{name}\"}}"), "null")).collect();
    let _reader_may_have_left = stream.write_all(format!("{head}{events}").as_bytes()).await;
}

pub(super) async fn whole_stream(stream: &mut TcpStream, name: &str) -> io::Result<()> {
    ended(stream, name, "data: [DONE]\n\n").await
}

/// A stream whose last words are `end`.
pub(super) async fn ended(stream: &mut TcpStream, name: &str, end: &str) -> io::Result<()> {
    some_events(stream, name, EVENTS).await;
    let last = if end.is_empty() { String::new() } else { chunk(end) };
    raw(stream, format!("{}{last}0\r\n\r\n", event("{}", "\"stop\"")).as_bytes()).await
}

/// A stream of one word in which every byte is a chunk and a packet of its own.
pub(super) async fn byte_by_byte(stream: &mut TcpStream) -> io::Result<()> {
    raw(stream, head().as_bytes()).await?;
    let word = data(&format!("{{\"content\":\"{WORD}\"}}"), "null");
    let text = format!("{word}{}data: [DONE]\n\n", data("{}", "\"stop\""));
    for byte in text.bytes() {
        raw(stream, &[b"1\r\n", &[byte][..], b"\r\n"].concat()).await?;
    }
    raw(stream, b"0\r\n\r\n").await
}

/// What a login page or a proxy in between says.
pub(super) async fn page(stream: &mut TcpStream) -> io::Result<()> {
    let page = "<html>Please log in</html>";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", page.len());
    raw(stream, format!("{head}{page}").as_bytes()).await
}

/// The head of a stream.
pub(super) fn head() -> &'static str {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
}

pub(super) async fn raw(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
