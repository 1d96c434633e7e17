//! The same patience on HTTP/2, frame by frame: no client library sends what these clients send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ADMIN, server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame as it came.
#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Header lines as HPACK literals without an index.
fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn head(method: &str, path: &str) -> Vec<u8> {
    let bearer = format!("Bearer {ADMIN}");
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("authorization", &bearer),
        ("content-type", "application/json"),
    ])
}

/// A client that answers every ping, as if it were well.
struct Client {
    socket: TcpStream,
    begun: Instant,
}

impl Client {
    async fn open(address: SocketAddr, settings: &[u8], rest: &[u8]) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, settings), rest].concat();
        socket.write_all(&opening).await.expect("the preface is taken");
        Self { socket, begun: Instant::now() }
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _closed_meanwhile = self.socket.write_all(bytes).await;
    }

    /// The next frame; `None` at the end of the connection. Sends `drip` five times a second while it waits.
    async fn next(&mut self, drip: &[u8]) -> Option<Frame> {
        let mut header = [0; 9];
        loop {
            assert!(self.begun.elapsed() < Duration::from_secs(20), "the connection is kept for ever");
            // The rest of a frame is sent with its first byte; only this wait is long.
            match timeout(Duration::from_millis(200), self.socket.read(&mut header[..1])).await {
                Ok(Ok(1)) => break,
                Ok(_) => return None,
                Err(_) => self.send(drip).await,
            }
        }
        self.socket.read_exact(&mut header[1..]).await.ok()?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        let frame = Frame { kind: header[3], flags: header[4], stream, payload };
        self.answer_ping(&frame).await;
        Some(frame)
    }

    async fn answer_ping(&mut self, ping: &Frame) {
        if ping.kind == PING && ping.flags == 0 {
            self.send(&frame(PING, 1, 0, &ping.payload)).await;
        }
    }

    /// The first frame of `kind` on `stream`.
    async fn until(&mut self, kind: u8, stream: u32, drip: &[u8]) -> Frame {
        loop {
            let frame = self.next(drip).await.expect("the connection lives");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// Waits for the end of the connection.
    async fn ended(mut self, drip: &[u8]) {
        while self.next(drip).await.is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_lose_their_connection() {
    let address = server().await.address;
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/healthz"));
    let half = frame(HEADERS, END_STREAM, 1, &head("GET", "/healthz"));
    let ping = frame(PING, 0, 0, b"01234567");
    Client::open(address, b"", b"").await.ended(b"").await;
    Client::open(address, b"", b"").await.ended(&ping).await;
    Client::open(address, b"", &half).await.ended(b"").await;
    Client::open(address, b"", &half[..half.len() - 1]).await.ended(b"").await;
    Client::open(address, b"", &half).await.ended(&frame(CONTINUATION, 0, 1, b"")).await;
    Client::open(address, b"", &get).await.ended(b"").await;
    Client::open(address, b"", &get).await.ended(&ping).await;
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket.write_all(&PREFACE[..18]).await.expect("a part of the preface is taken");
    let closed = timeout(Duration::from_secs(10), socket.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "half a preface is kept for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_drops_is_answered_and_given_up() {
    let post = frame(HEADERS, END_HEADERS, 1, &head("POST", "/v1/embeddings"));
    let mut client = Client::open(server().await.address, b"", &post).await;
    let answer = client.until(DATA, 1, &frame(DATA, 0, 1, b" ")).await;
    assert!(String::from_utf8_lossy(&answer.payload).contains("request_timeout"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_taken_is_reset_and_its_neighbours_live() {
    let no_window = [0, 4, 0, 0, 0, 0];
    let get = |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/v1/models"));
    let mut client = Client::open(server().await.address, &no_window, &get(1)).await;
    client.until(RESET, 1, b"").await;
    client.send(&get(3)).await;
    client.until(HEADERS, 3, b"").await;
    client.send(&frame(8, 0, 3, &1_000_000u32.to_be_bytes())).await;
    let answer = client.until(DATA, 3, b"").await;
    assert!(!answer.payload.is_empty());
    client.ended(b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_before_the_host_is_refused_as_on_http1() {
    let lines = [(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), (":authority", "a@b")];
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&lines));
    let mut client = Client::open(server().await.address, b"", &get).await;
    let answer = client.until(DATA, 1, b"").await;
    assert!(String::from_utf8_lossy(&answer.payload).contains("malformed_request"), "{answer:?}");
}
