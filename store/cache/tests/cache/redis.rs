//! The Redis adapter and its decorators against a real server that also stops, comes back empty and refuses writes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kubemate_cache::{
    Cache, CacheConfig, CacheError, CacheKey, Claim, Counter, Held, Redis, RedisConfig, Reserved, Sealed, Settlement,
    Tiered, conformance,
};
use kubemate_identity::TenantId;

use crate::server::Server;

const HOUR: Duration = Duration::from_secs(3600);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn config(server: &Server) -> RedisConfig {
    RedisConfig {
        url: server.url(),
        prefix: "kubemate".to_owned(),
        timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(2),
    }
}

fn client(server: &Server) -> Redis {
    Redis::new(&config(server)).unwrap()
}

fn tiered(shared: impl Cache) -> Tiered {
    Tiered::new(&CacheConfig::default(), HOUR, Arc::new(Sealed::new(SECRET, Arc::new(shared))))
}

/// Asks until the server is seen again.
async fn back(cache: &impl Cache) {
    let begun = Instant::now();
    while cache.check().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the server is back, but is not seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs the suite on a cache with the counters of another adapter.
#[derive(Debug)]
struct Pair<C>(C, Redis);

#[async_trait::async_trait]
impl<C: Cache> Cache for Pair<C> {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        self.0.find(tenant, key).await
    }

    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.0.put(tenant, key, value, ttl).await
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        self.0.remove(tenant, key).await
    }
}

#[async_trait::async_trait]
impl<C: Cache> Counter for Pair<C> {
    async fn add(&self, tenant: &TenantId, key: &CacheKey, n: i64, window: Duration) -> Result<u64, CacheError> {
        self.1.add(tenant, key, n, window).await
    }

    async fn reserve(&self, claims: &[Claim]) -> Result<Reserved, CacheError> {
        self.1.reserve(claims).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<(), CacheError> {
        self.1.settle(settlements).await
    }
}

#[tokio::test]
async fn redis_fulfils_the_suite() {
    let server = Server::start();
    conformance::run(&client(&server)).await.unwrap();
}

#[tokio::test]
async fn sealed_and_tiered_fulfil_the_suite_in_front_of_redis() {
    let server = Server::start();
    let sealed = Sealed::new(SECRET, Arc::new(client(&server)));
    conformance::run(&Pair(sealed, client(&server))).await.unwrap();
    let mut other = config(&server);
    other.prefix = "tiered".to_owned();
    let redis = Redis::new(&other).unwrap();
    conformance::run(&Pair(tiered(redis.clone()), redis)).await.unwrap();
}

#[tokio::test]
async fn processes_share_values_and_counts() {
    let server = Server::start();
    let (tenant, key) = (TenantId::default_tenant(), CacheKey::new("answer", &["shared"]));
    let (one, two) = (tiered(client(&server)), tiered(client(&server)));
    one.put(&tenant, &key, Bytes::from_static(b"of one"), HOUR).await.unwrap();
    let held = two.find(&tenant, &key).await.unwrap().unwrap();
    assert_eq!(held.value, "of one");
    assert!(held.left <= HOUR && held.left > HOUR - Duration::from_secs(60), "{:?}", held.left);
    let (mine, theirs) = (client(&server), client(&server));
    let adders = [mine, theirs].map(|counter| {
        let tenant = tenant.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                counter.add(&tenant, &key, 2, HOUR).await.unwrap();
            }
        })
    });
    for adder in adders {
        adder.await.unwrap();
    }
    assert_eq!(client(&server).add(&tenant, &key, 0, HOUR).await.unwrap(), 800);
}

#[tokio::test]
async fn the_server_sees_neither_values_nor_what_keys_are_made_of() {
    let server = Server::start();
    let (tenant, key) = (TenantId::default_tenant(), CacheKey::new("answer", &["prompt"]));
    let cache = tiered(client(&server));
    cache.put(&tenant, &key, Bytes::from_static(b"the secret answer"), HOUR).await.unwrap();
    let names = server.told("KEYS *\r\n");
    assert!(names.contains("kubemate:{default}:answer:"), "{names}");
    assert!(!names.contains(&key.to_string()), "a guess at the prompt cannot be tried: {names}");
    let name = names.lines().find(|line| line.starts_with("kubemate:")).expect("a name").to_owned();
    let value = server.told(&format!("GET {name}\r\n"));
    assert!(value.starts_with('$') && !value.contains("secret"), "{value}");
}

/// A server that answers every question with the last value it was given.
#[derive(Debug, Default)]
struct Muddled(Mutex<Bytes>);

#[async_trait::async_trait]
impl Cache for Muddled {
    async fn find(&self, _: &TenantId, _: &CacheKey) -> Result<Option<Held>, CacheError> {
        Ok(Some(Held { value: self.0.lock().unwrap().clone(), left: HOUR }))
    }

    async fn put(&self, _: &TenantId, _: &CacheKey, value: Bytes, _: Duration) -> Result<(), CacheError> {
        *self.0.lock().unwrap() = value;
        Ok(())
    }

    async fn remove(&self, _: &TenantId, _: &CacheKey) -> Result<(), CacheError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_value_that_does_not_open_is_a_miss() {
    let (a, b) = (TenantId::default_tenant(), TenantId::parse("other").unwrap());
    let [one, two] = ["one", "two"].map(|part| CacheKey::new("answer", &[part]));
    let muddled = Arc::new(Muddled::default());
    let cache = Sealed::new(SECRET, muddled.clone());
    cache.put(&a, &one, Bytes::from_static(b"value"), HOUR).await.unwrap();
    assert_eq!(cache.get(&a, &one).await.unwrap().unwrap(), "value");
    assert_eq!(cache.get(&b, &one).await.unwrap(), None, "moved to another tenant");
    assert_eq!(cache.get(&a, &two).await.unwrap(), None, "moved to another key");
    assert_eq!(Sealed::new(b"another secret", muddled.clone()).get(&a, &one).await.unwrap(), None);
    let sealed = muddled.0.lock().unwrap().clone();
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        *muddled.0.lock().unwrap() = changed.into();
        assert_eq!(cache.get(&a, &one).await.unwrap(), None, "byte {at} changed");
        *muddled.0.lock().unwrap() = sealed.slice(..at);
        assert_eq!(cache.get(&a, &one).await.unwrap(), None, "cut at {at}");
    }
}

#[tokio::test]
async fn a_server_that_stops_costs_no_wait_and_comes_back_empty() {
    let mut server = Server::start();
    let (tenant, key) = (TenantId::default_tenant(), CacheKey::new("answer", &["kept"]));
    let (redis, front) = (client(&server), tiered(client(&server)));
    front.put(&tenant, &key, Bytes::from_static(b"kept"), HOUR).await.unwrap();
    redis.add(&tenant, &key, 5, HOUR).await.unwrap();
    server.stop();
    let failed = redis.find(&tenant, &key).await.unwrap_err();
    assert!(matches!(failed, CacheError::Unavailable(_)), "{failed}");
    assert!(matches!(redis.add(&tenant, &key, 1, HOUR).await.unwrap_err(), CacheError::Unavailable(_)));
    assert!(redis.check().await.is_err());
    assert_eq!(front.get(&tenant, &key).await.unwrap().unwrap(), "kept", "seen by this process, so still given");
    server.restart();
    back(&redis).await;
    assert_eq!(redis.find(&tenant, &key).await.unwrap(), None);
    assert_eq!(redis.add(&tenant, &key, 1, HOUR).await.unwrap(), 1, "scripts are taught again");
}

#[tokio::test]
async fn a_server_that_is_not_there_at_first_is_found_later() {
    let mut server = Server::start();
    server.stop();
    let redis = client(&server);
    assert!(redis.check().await.is_err());
    server.restart();
    back(&redis).await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_still_gives() {
    let server = Server::start();
    let (tenant, key) = (TenantId::default_tenant(), CacheKey::new("answer", &["kept"]));
    let redis = client(&server);
    redis.put(&tenant, &key, Bytes::from_static(b"kept"), HOUR).await.unwrap();
    assert!(server.told("REPLICAOF 127.0.0.1 1\r\n").starts_with("+OK"));
    let refused = redis.put(&tenant, &key, Bytes::from_static(b"new"), HOUR).await.unwrap_err();
    assert!(refused.to_string().contains("READONLY"), "{refused}");
    assert!(redis.add(&tenant, &key, 1, HOUR).await.is_err());
    assert!(redis.check().await.is_err(), "operators are told");
    assert_eq!(redis.get(&tenant, &key).await.unwrap().unwrap(), "kept");
    assert!(server.told("REPLICAOF NO ONE\r\n").starts_with("+OK"));
    redis.put(&tenant, &key, Bytes::from_static(b"new"), HOUR).await.unwrap();
}

#[tokio::test]
async fn a_server_that_hangs_is_left_alone() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", silent.local_addr().unwrap());
    let short = Duration::from_millis(50);
    let config = RedisConfig { url, prefix: "kubemate".to_owned(), timeout: short, connect_timeout: short };
    let (redis, tenant, key) = (Redis::new(&config).unwrap(), TenantId::default_tenant(), CacheKey::new("k", &["k"]));
    for _ in 0..1000 {
        assert!(redis.get(&tenant, &key).await.is_err(), "a thousand waits would take a minute");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_repeating_it() {
    let url = "redis//user:password@host".to_owned();
    let config = RedisConfig { url, prefix: String::new(), timeout: HOUR, connect_timeout: HOUR };
    let error = Redis::new(&config).unwrap_err().to_string();
    assert!(!error.contains("password"), "{error}");
    assert!(!format!("{config:?}").contains("password"));
}
