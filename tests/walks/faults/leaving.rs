//! A client that leaves, at every moment of its request: the upstream is let go, one row is booked, and places are free again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LIMIT, ask, body, config};
use crate::harness::{Api, Faulty, Mood, Server, Setup, tenant, until};

/// One at a time: a place that is not given back is noticed by the next request.
const ONE_AT_A_TIME: &str =
    "[limits.model]\nparallel = 1\n[limits.tenant]\nconcurrency = 1\n[log]\nrequests = \"all\"\n";

/// A request over a connection of its own, whose bytes the walk sends itself.
struct Client {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Client {
    async fn connect(api: &Api) -> Self {
        Self { stream: TcpStream::connect(api.address).await.expect("the server listens"), seen: Vec::new() }
    }

    /// Sends a request as far as `part` of its body.
    async fn sends(api: &Api, id: &str, body: &Value, part: f64) -> Self {
        let mut client = Self::connect(api).await;
        let (key, body) = (api.key.as_deref().expect("a key"), body.to_string());
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\nx-request-id: {id}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            api.address,
            body.len()
        );
        let sent = (body.len() as f64 * part) as usize;
        client.stream.write_all(&[head.as_bytes(), &body.as_bytes()[..sent]].concat()).await.expect("the server reads");
        client
    }

    /// Reads until `words` were seen so often.
    async fn reads(&mut self, words: &str, times: usize) {
        while String::from_utf8_lossy(&self.seen).matches(words).count() < times {
            let read = self.stream.read_buf(&mut self.seen).await.expect("the server writes");
            assert!(read > 0, "the answer ended: {}", String::from_utf8_lossy(&self.seen));
        }
    }
}

/// The request log's lines of this request.
fn lines(server: &Server, id: &str) -> Vec<Value> {
    let of_it = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|line| line["request.id"] == id);
    let log = server.log();
    log.lines().filter_map(of_it).filter(|line| line["log"] == "request").collect()
}

async fn booked(server: &Server, tenant: &str) -> u64 {
    let usage = server.admin().get(&format!("/admin/v1/tenants/{tenant}/usage")).await.json();
    usage["data"].as_array().expect("rows").iter().filter_map(|row| row["requests"].as_u64()).sum()
}

/// Everything that a client's leaving must lead to.
async fn is_settled(server: &Server, api: &Api, one: &Faulty, id: &str) {
    until(&format!("{id}: the upstream is let go"), LIMIT, async || (one.open() == 0).then_some(())).await;
    let line = until(&format!("{id}: its line"), LIMIT, async || lines(server, id).pop()).await;
    assert_eq!(line["status"], 499, "{id}: {line}");
    one.becomes(Mood::Well);
    let next = until(&format!("{id}: its place"), LIMIT, async || {
        let answer = ask(api, false).await;
        (answer.status != 429).then_some(answer)
    })
    .await;
    assert_eq!(next.status, 200, "{id}: {}", next.text());
    assert_eq!(lines(server, id).len(), 1, "{id}: booked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_at_any_moment_is_settled_once() {
    let one = Faulty::start("one").await;
    let setup = Setup::new().tables(&(ONE_AT_A_TIME.to_owned() + &config(&[&one], "")));
    let server = setup.start().await;
    let api = tenant(&server, "leaver").await;
    // What the upstream does, whether a stream is asked for, and what the client sees before it leaves.
    let moments = [
        ("before-the-head", Mood::Silent, true, ("", 0)),
        ("before-a-plain-answer", Mood::Silent, false, ("", 0)),
        ("before-the-first-event", Mood::StallingAfter(0), true, ("", 0)),
        ("after-the-first-event", Mood::StallingAfter(1), true, ("data: ", 1)),
        ("among-the-events", Mood::StallingAfter(3), true, ("data: ", 3)),
        ("before-the-end", Mood::StallingBeforeDone, true, ("\"stop\"", 1)),
        ("while-events-come", Mood::Endless, true, ("data: ", 5)),
    ];
    for (id, mood, streams, (words, times)) in moments {
        one.becomes(mood);
        let before = one.seen();
        let mut client = Client::sends(&api, id, &body("m", streams), 1.0).await;
        until(&format!("{id}: the upstream is asked"), LIMIT, async || (one.seen() > before).then_some(())).await;
        client.reads(words, times).await;
        drop(client);
        is_settled(&server, &api, &one, id).await;
        assert!(lines(&server, id)[0]["stream"] == json!(streams), "{id}");
    }
    until("a row for each line", LIMIT, async || {
        let (left, whole) = (lines_of(&server, "leaver", 499), lines_of(&server, "leaver", 200));
        let whole_rows = booked(&server, "leaver").await.checked_sub(moments.len() as u64)?;
        (left == moments.len() && whole >= left && whole_rows == whole as u64).then_some(())
    })
    .await;
    server.stop().await;
}

/// Calls of a tenant that ended with this status.
fn lines_of(server: &Server, tenant: &str, status: u16) -> usize {
    let of_it = |line: &str| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        (line["log"] == "request" && line["tenant"] == tenant && line["status"] == status).then_some(())
    };
    server.log().lines().filter_map(of_it).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_its_turn_asks_nobody() {
    let one = Faulty::start("one").await;
    let server = Setup::new().tables(&(ONE_AT_A_TIME.to_owned() + &config(&[&one], ""))).start().await;
    let (holder, leaver) = (tenant(&server, "holder").await, tenant(&server, "leaver").await);
    one.becomes(Mood::Silent);
    let held = Client::sends(&holder, "held", &body("m", true), 1.0).await;
    until("the one place is taken", LIMIT, async || (one.open() == 1).then_some(())).await;
    let in_line = Client::sends(&leaver, "in-line", &body("m", true), 1.0).await;
    until("it stands in line", LIMIT, async || waiting(&server).await).await;
    drop(in_line);
    let line = until("its line", LIMIT, async || lines(&server, "in-line").pop()).await;
    assert_eq!((&line["status"], &line["stream"], &line["attempts"]), (&json!(499), &json!(true), &json!(0)), "{line}");
    assert_eq!(one.seen(), 1);
    drop(held);
    is_settled(&server, &holder, &one, "held").await;
    assert_eq!(ask(&leaver, false).await.status, 200, "both of its places are free");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_waits_for_anothers_answer_is_booked() {
    let one = Faulty::start("one").await;
    let text = config(&[&one], "").replace("targets", "cache = { ttl = \"10m\" }\ntargets");
    let server = Setup::new().tables(&("[log]\nrequests = \"all\"\n".to_owned() + &text)).start().await;
    let api = tenant(&server, "together").await;
    one.becomes(Mood::Silent);
    let leader = Client::sends(&api, "leader", &body("m", false), 1.0).await;
    until("the model is asked", LIMIT, async || (one.open() == 1).then_some(())).await;
    let follower = Client::sends(&api, "follower", &body("m", false), 1.0).await;
    until("both are here", LIMIT, async || in_flight(&server).await).await;
    drop(follower);
    let line = until("its line", LIMIT, async || lines(&server, "follower").pop()).await;
    assert_eq!(line["status"], 499, "{line}");
    assert_eq!((one.open(), one.seen()), (1, 1), "the other one still waits");
    drop(leader);
    is_settled(&server, &api, &one, "leader").await;
    server.stop().await;
}

/// Whether two requests are being answered, beside the one that asks.
async fn in_flight(server: &Server) -> Option<()> {
    let metrics = server.stranger().get("/metrics").await.text();
    let gauge = metrics.lines().find(|line| line.starts_with("kubemate_requests_in_flight"))?;
    (gauge.rsplit(' ').next()?.parse::<f64>().ok()? >= 3.0).then_some(())
}

/// Whether somebody waits for a turn.
async fn waiting(server: &Server) -> Option<()> {
    let metrics = server.stranger().get("/metrics").await.text();
    let gauge = metrics.lines().find(|line| line.starts_with("kubemate_queue_waiting{"))?;
    (!gauge.ends_with(" 0")).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_with_half_a_body_costs_nothing() {
    let one = Faulty::start("one").await;
    let server = Setup::new().tables(&(ONE_AT_A_TIME.to_owned() + &config(&[&one], ""))).start().await;
    let api = tenant(&server, "half").await;
    let mut begun = Vec::new();
    for number in 0..20 {
        begun.push(Client::sends(&api, &format!("half-{number}"), &body("m", true), 0.5).await);
    }
    drop(begun);
    assert_eq!(ask(&api, true).await.status, 200);
    assert_eq!(one.seen(), 1);
    until("the row", LIMIT, async || (booked(&server, "half").await == 1).then_some(())).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_during_a_second_try_ends_the_tries() {
    let (bad, slow) = (Faulty::start("bad").await, Faulty::start("slow").await);
    let text = config(&[&bad, &slow], "health = { failures = 1000, requests = 1000 }");
    let text = text
        .replace("{ upstream = \"bad\", model = \"m\" }", "{ upstream = \"bad\", model = \"m\", weight = 1000000 }");
    let server = Setup::new().tables(&(ONE_AT_A_TIME.to_owned() + &text)).start().await;
    let api = tenant(&server, "tries").await;
    bad.becomes(Mood::Refusing(500));
    slow.becomes(Mood::Silent);
    let client = Client::sends(&api, "second-try", &body("m", true), 1.0).await;
    until("the second try", LIMIT, async || (slow.open() == 1).then_some(())).await;
    drop(client);
    bad.becomes(Mood::Well);
    is_settled(&server, &api, &slow, "second-try").await;
    assert_eq!(lines(&server, "second-try")[0]["attempts"], 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_connections_hold_up_nobody() {
    const SLOW: usize = 2_000;
    let one = Faulty::start("one").await;
    let server = Setup::new()
        .set("server.limits.first_byte_timeout", "10m")
        .set("server.limits.header_timeout", "10m")
        .tables(&config(&[&one], ""))
        .start()
        .await;
    let api = server.admin();
    let mut slow = Vec::with_capacity(SLOW);
    for number in 0..SLOW {
        let mut client = Client::connect(&api).await;
        // Some say nothing, some begin a head, some a body.
        match number % 3 {
            0 => {}
            1 => client.stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x").await.expect("it reads"),
            _ => client = Client::sends(&api, "slow", &body("m", true), 0.5).await,
        }
        slow.push(client);
    }
    for number in 0..50 {
        let answer = tokio::time::timeout(Duration::from_secs(60), ask(&api, number % 2 == 0)).await;
        assert_eq!(answer.expect("the good client is served").status, 200);
    }
    assert_eq!(one.seen(), 50);
    drop(slow);
    server.stop().await;
}
