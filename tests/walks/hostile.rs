//! Bytes that no honest client sends, over raw sockets.

mod h2;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::harness::{CHAT, Server, Setup, until};

/// A server with short deadlines, so that slowness is told from patience within a second.
async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER
        .get_or_init(async || {
            Setup::new()
                .set("server.limits.first_byte_timeout", "1s")
                .set("server.limits.header_timeout", "1s")
                .set("server.limits.body_window", "1s")
                .set("server.limits.write_stall_timeout", "1s")
                .set("server.limits.keep_alive_timeout", "2s")
                .set("server.max_body", "1MiB")
                .start()
                .await
        })
        .await
}

const ADMIN: &str = "km-walks-admin-key-0123456789abcdefghijklmnopq";

/// Sends bytes and reads until the server closes or `patience` is over.
async fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let _refused_early = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let _kept_open = timeout(patience, socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of each answer in what a connection said.
fn statuses(said: &str) -> Vec<u16> {
    let status = |piece: &str| piece.get(1..4).and_then(|code| code.parse().ok());
    said.split("HTTP/1.").skip(1).filter_map(|piece| status(piece.get(1..)?)).collect()
}

/// The error object of the last answer.
fn error(said: &str) -> Value {
    let body = said.rsplit("\r\n\r\n").next().expect("a body");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON error in {said:?}"));
    body["error"].clone()
}

fn get(headers: &str) -> String {
    format!("GET /v1/models HTTP/1.1\r\n{headers}\r\n")
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_heads_are_refused_once_and_for_all() {
    let address = server().await.address;
    let authorized = format!("Authorization: Bearer {ADMIN}\r\n");
    let many: String = (0..200).fold(String::new(), |mut lines, number| {
        write!(lines, "X-{number}: a\r\n").expect("text grows");
        lines
    });
    let cases = [
        ("bare line feeds", format!("GET /v1/models HTTP/1.1\nHost: a\n{authorized}\n")),
        ("one bare line feed", format!("GET /v1/models HTTP/1.1\r\nHost: a\nX: b\r\n{authorized}\r\n")),
        ("two hosts", get(&format!("Host: a\r\nHost: b\r\n{authorized}"))),
        ("the same host twice", get(&format!("Host: a\r\nHost: a\r\n{authorized}"))),
        ("no host", get(&authorized)),
        ("a host that is none", get(&format!("Host: a b\r\n{authorized}"))),
        ("another absolute form", format!("GET http://b/v1/models HTTP/1.1\r\nHost: a\r\n{authorized}\r\n")),
        (
            "length and chunks",
            get(&format!("Host: a\r\n{authorized}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
        ),
        ("two lengths", get(&format!("Host: a\r\n{authorized}Content-Length: 3\r\nContent-Length: 4\r\n")) + "abcd"),
        ("a length with a sign", get(&format!("Host: a\r\n{authorized}Content-Length: +3\r\n")) + "abc"),
        ("chunks twice", get(&format!("Host: a\r\n{authorized}Transfer-Encoding: chunked, chunked\r\n")) + "0\r\n\r\n"),
        ("chunks in disguise", get(&format!("Host: a\r\n{authorized}Transfer-Encoding: xchunked\r\n")) + "0\r\n\r\n"),
        ("a space before the colon", get(&format!("Host : a\r\n{authorized}"))),
        ("a folded line", get(&format!("Host: a\r\nX: b\r\n c\r\n{authorized}"))),
        ("a zero byte", get(&format!("Host: a\r\nX: b\0c\r\n{authorized}"))),
        ("a header of 100 KiB", get(&format!("Host: a\r\nX: {}\r\n{authorized}", "a".repeat(100 * 1024)))),
        ("two hundred headers", get(&format!("Host: a\r\n{many}{authorized}"))),
        ("an old version", format!("GET /v1/models HTTP/0.9\r\nHost: a\r\n{authorized}\r\n")),
        ("a zero byte in the target", format!("GET /v1/mod\0els HTTP/1.1\r\nHost: a\r\n{authorized}\r\n")),
        ("brackets in the target", format!("GET /v1/<a> HTTP/1.1\r\nHost: a\r\n{authorized}\r\n")),
        ("a fragment in the target", format!("GET /v1/models#a HTTP/1.1\r\nHost: a\r\n{authorized}\r\n")),
        ("a control in a value", get(&format!("Host: a\r\nX: b\x01c\r\n{authorized}"))),
        ("a delete in a value", get(&format!("Host: a\r\nX: b\x7fc\r\n{authorized}"))),
        ("the largest length", get(&format!("Host: a\r\n{authorized}Content-Length: 18446744073709551615\r\n"))),
        ("two empty lines", "\r\n\r\n".to_owned() + &get(&format!("Host: a\r\n{authorized}"))),
        ("a tunnel", format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n{authorized}\r\n")),
    ];
    for (what, bytes) in cases {
        // What follows must not be taken for a second request: the border of the first is unknown.
        let smuggled = bytes + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        let said = exchange(address, smuggled.as_bytes(), Duration::from_secs(5)).await;
        assert_eq!(statuses(&said), [400], "{what}: {said:?}");
        assert!(error(&said)["message"].is_string(), "{what}: {said:?}");
        assert!(said.contains("x-request-id: "), "{what}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_cannot_be_forged() {
    let address = server().await.address;
    let forged = "POST /__refused/head-timeout HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let both = format!("{forged}POST / HTTP/1.1\r\nHost: a@b\r\n\r\n");
    let said = exchange(address, both.as_bytes(), Duration::from_secs(5)).await;
    assert_eq!(statuses(&said), [404, 400], "the first is a path like any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_chunks_are_the_clients_fault_and_not_to_be_sent_again() {
    let address = server().await.address;
    let head = |path: &str, media: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: {media}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
    };
    let chat = head("/v1/chat/completions", "application/json");
    let form = head("/v1/files", "multipart/form-data; boundary=b");
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let upload = format!("{form}{:x}\r\n{part}\r\n", part.len());
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(300));
    let cases = [
        "5\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        &long,
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
    ];
    for before in [chat, upload] {
        for chunks in cases {
            let said = exchange(address, (before.clone() + chunks).as_bytes(), Duration::from_secs(5)).await;
            assert_eq!(statuses(&said), [400], "{chunks:?}: {said:?}");
            assert_eq!(error(&said)["code"], "malformed_request", "{chunks:?}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_two_readers_could_read_differently_are_refused() {
    let address = server().await.address;
    let chat = |rest: &str| format!(r#"{{"model":"{CHAT}","messages":[{{"role":"user","content":"Hi"}}]{rest}}}"#);
    let deep = format!(r#","metadata":{}1{}"#, r#"{"a":"#.repeat(70), "}".repeat(70));
    let cases = [
        ("a key twice", "", chat(r#","n":1,"n":2"#)),
        ("an escaped key twice", "", chat(r#","n":1,"\u006e":2"#)),
        ("seventy deep", "", chat(&deep)),
        ("two values", "", chat("") + "{}"),
        ("no JSON", "", "{nonsense".to_owned()),
        ("nothing", "", String::new()),
    ];
    for (what, headers, body) in cases {
        let said = exchange(
            address,
            post("/v1/chat/completions", &format!("Connection: close\r\n{headers}"), &body).as_bytes(),
            Duration::from_secs(5),
        )
        .await;
        assert_eq!(statuses(&said), [400], "{what}: {said:?}");
        assert_eq!(error(&said)["type"], "invalid_request_error", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_and_media_types_are_named_when_refused() {
    let address = server().await.address;
    let close = "Connection: close\r\n";
    let encoded = post("/v1/chat/completions", &format!("{close}Content-Encoding: br\r\n"), "{}");
    let said = exchange(address, encoded.as_bytes(), Duration::from_secs(5)).await;
    assert!(matches!(statuses(&said).as_slice(), [400 | 415]), "{said:?}");
    let twice = format!("{close}Content-Encoding: identity\r\nContent-Encoding: gzip\r\n");
    let said = exchange(address, post("/v1/chat/completions", &twice, "{}").as_bytes(), Duration::from_secs(5)).await;
    assert_eq!(statuses(&said), [415], "{said:?}");
    let form =
        post("/v1/chat/completions", close, "a=b").replace("application/json", "application/x-www-form-urlencoded");
    let said = exchange(address, form.as_bytes(), Duration::from_secs(5)).await;
    assert_eq!(statuses(&said), [415], "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_without_reading_it_all() {
    let address = server().await.address;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: 1099511627776\r\n\r\n"
    );
    let said = exchange(address, (head + &" ".repeat(2 * 1024 * 1024)).as_bytes(), Duration::from_secs(5)).await;
    assert_eq!(statuses(&said), [413], "{said:?}");
    assert_eq!(error(&said)["type"], "invalid_request_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_continue_is_answered_before_the_body() {
    let mut socket = TcpStream::connect(server().await.address).await.expect("a connection");
    let body = json!({"model": "nothing", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let head = post("/v1/chat/completions", "Connection: close\r\nExpect: 100-continue\r\n", &body);
    let (head, body) = head.split_at(head.len() - body.len());
    socket.write_all(head.as_bytes()).await.expect("the head is taken");
    let mut first = [0; 25];
    timeout(Duration::from_secs(5), socket.read_exact(&mut first)).await.expect("in time").expect("an interim answer");
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body.as_bytes()).await.expect("the body is taken");
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await.expect("in time").expect("an answer");
    assert_eq!(statuses(&String::from_utf8_lossy(&rest)), [404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_have_one_place() {
    let address = server().await.address;
    let bearer = format!("Authorization: Bearer {ADMIN}\r\n");
    let cases = [
        (
            "in the query",
            format!("GET /v1/models?api_key={ADMIN} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            400,
        ),
        (
            "in the query under a name in disguise",
            format!("GET /v1/models?api%5Fkey={ADMIN} HTTP/1.1\r\nHost: a\r\n{bearer}Connection: close\r\n\r\n"),
            400,
        ),
        (
            "in the query beside a good one",
            format!("GET /v1/models?key={ADMIN} HTTP/1.1\r\nHost: a\r\n{bearer}Connection: close\r\n\r\n"),
            400,
        ),
        ("twice", get(&format!("Host: a\r\n{bearer}{bearer}Connection: close\r\n")), 400),
        ("two kinds", get(&format!("Host: a\r\n{bearer}x-api-key: {ADMIN}\r\nConnection: close\r\n")), 400),
        ("none", get("Host: a\r\nConnection: close\r\n"), 401),
        ("a wrong one", get("Host: a\r\nAuthorization: Bearer km-wrong\r\nConnection: close\r\n"), 401),
        ("another scheme", get("Host: a\r\nAuthorization: Basic YTpi\r\nConnection: close\r\n"), 401),
        ("a good one", get(&format!("Host: a\r\n{bearer}Connection: close\r\n")), 200),
    ];
    for (what, bytes, status) in cases {
        let said = exchange(address, bytes.as_bytes(), Duration::from_secs(5)).await;
        assert_eq!(statuses(&said), [status], "{what}: {said:?}");
    }
    assert!(!server().await.log().contains(ADMIN), "a key was logged");
}

/// Sends `bytes`, then `drip` every 200 ms, until the server closes the connection.
async fn closes_on(address: SocketAddr, what: &str, bytes: &[u8], drip: &[u8]) {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let begun = Instant::now();
    socket.write_all(bytes).await.expect("the bytes are taken");
    let mut said = [0; 1024];
    loop {
        match timeout(Duration::from_millis(200), socket.read(&mut said)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) => {
                let _closed_meanwhile = socket.write_all(drip).await;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: the connection is kept for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_lose_their_place() {
    let address = server().await.address;
    let get = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = |length: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\n\
             Content-Type: application/json\r\n{length}\r\n\r\n"
        )
    };
    let (sized, chunked) = (body("Content-Length: 100000"), body("Transfer-Encoding: chunked"));
    let trailer = format!("{chunked}2\r\n{{}}\r\n0\r\n");
    let cases: [(&str, &[u8], &[u8]); 9] = [
        ("silence", b"", b""),
        ("a head in drops", b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX: ", b"a"),
        ("a body in drops", sized.as_bytes(), b" "),
        ("chunks in drops", chunked.as_bytes(), b"1\r\n \r\n"),
        ("trailers in drops", trailer.as_bytes(), b"X: y\r\n"),
        ("an idle connection", get, b""),
        ("one empty line", b"\r\n", b""),
        ("empty lines", b"\r\n", b"\r\n"),
        ("empty lines between requests", get, b"\r\n"),
    ];
    for (what, bytes, drip) in cases {
        closes_on(address, what, bytes, drip).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_clients_do_not_keep_others_out() {
    let server = server().await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut socket = TcpStream::connect(server.address).await.expect("a connection");
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ").await.expect("a drop");
        slow.push(socket);
    }
    let begun = Instant::now();
    assert_eq!(server.stranger().get("/healthz").await.text(), "ok");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for mut socket in slow {
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a slow client is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_dropped() {
    let server = server().await;
    let file = server.admin().upload("large.bin", &vec![b'x'; 64 * 1024 * 1024]).await;
    let mut socket = TcpStream::connect(server.address).await.expect("a connection");
    let request = format!("GET /v1/files/{file}/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("the request is taken");
    until("the end of a stalled answer", Duration::from_secs(15), async || {
        let metrics = server.stranger().get("/metrics").await.text();
        let open =
            metrics.lines().find_map(|line| line.strip_prefix("kubemate_requests_in_flight "))?.parse::<f64>().ok()?;
        (open <= 1.0).then_some(()) // the one that asks
    })
    .await;
    server.admin().delete(&format!("/v1/files/{file}")).await.json();
}
