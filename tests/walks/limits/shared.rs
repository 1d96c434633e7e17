//! Two gateways that count on one Redis.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use futures::future::join_all;
use serde_json::json;

use super::{SOON, ask, limit, reserved, set_up};
use crate::harness::{Folder, Server, Upstream, until};

/// A real Redis of its own.
struct Redis {
    port: u16,
    running: Child,
    folder: Folder,
}

impl Redis {
    fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = Folder::new("redis");
        let running = Self::run(port, &folder);
        Self { port, running, folder }
    }

    fn run(port: u16, folder: &Folder) -> Child {
        let mut server = Command::new("redis-server");
        server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
        let server = server.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        server.expect("redis-server starts; `apt-get install redis-server` brings it")
    }

    fn stop(&mut self) {
        self.running.kill().expect("it runs");
        self.running.wait().expect("it ends");
    }

    fn start_again(&mut self) {
        self.running = Self::run(self.port, &self.folder);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _already_ended = self.running.kill();
        let _already_ended = self.running.wait();
    }
}

async fn gateway(upstream: &Upstream, redis: &Redis) -> Server {
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    let seal = "0123456789abcdef0123456789abcdef";
    let cache = [("store.cache.kind", "redis"), ("store.cache.url", &url), ("store.cache.seal_key", seal)];
    let server = set_up(upstream, &cache).start().await;
    until("the Redis", SOON, async || (server.stranger().get("/readyz").await.status == 200).then_some(())).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_redis_let_in_what_one_would() {
    let (upstream, mut redis) = (Upstream::start().await, Redis::start());
    let (left, right) = (gateway(&upstream, &redis).await, gateway(&upstream, &redis).await);
    let each = reserved(&left, &left.admin(), "tenant/default").await;
    for server in [&left, &right] {
        limit(server, "tenant/default", json!({"daily_tokens": 37 * each + each - 1, "concurrency": 90})).await;
    }
    let apis = [left.admin(), right.admin()];
    let asking = (0..100).map(|at| {
        let api = apis[at % 2].clone();
        tokio::spawn(async move { ask(&api).await })
    });
    let asking: Vec<_> = asking.collect();
    until("the refused", SOON, async || (asking.iter().filter(|one| one.is_finished()).count() >= 63).then_some(()))
        .await;
    upstream.uses(each - 10, 10);
    upstream.answer(1000);
    let answers: Vec<_> = join_all(asking).await.into_iter().map(|one| one.expect("nobody panicked")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 37);
    assert_eq!(upstream.asked().len(), 37);
    assert_eq!(ask(&left.admin()).await.status, 429);
    assert_eq!(ask(&right.admin()).await.status, 429);

    // While Redis is gone each gateway counts by itself, from its own ledger; chat goes on.
    redis.stop();
    limit(&left, "tenant/default", json!({"rpm": 1000})).await;
    assert_eq!(ask(&left.admin()).await.status, 200);
    limit(&left, "tenant/default", json!({"daily_tokens": 1})).await;
    assert_eq!(ask(&left.admin()).await.refused(429)["code"], "insufficient_quota");
    redis.start_again();
    limit(&left, "tenant/default", json!({"daily_tokens": 1_000_000})).await;
    until("the shared counters", SOON, async || (ask(&left.admin()).await.status == 200).then_some(())).await;
}
