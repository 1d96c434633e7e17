//! Two gateways that count on one Redis.

use futures::future::join_all;
use serde_json::json;

use super::{SOON, ask, limit, reserved, set_up};
use crate::harness::{Redis, Server, Upstream, until};

async fn gateway(upstream: &Upstream, redis: &Redis) -> Server {
    let cache = redis.settings();
    let cache: Vec<_> = cache.iter().map(|(key, value)| (*key, value.as_str())).collect();
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
