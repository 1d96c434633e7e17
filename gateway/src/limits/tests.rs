//! Limits from the configuration and the ledger, over counters of this process.

use std::sync::Arc;

use futures::future::join_all;
use kubemate_cache::{CacheConfig, Counter, Local};
use kubemate_identity::{Caller, KeyId, ProjectId, Rights, TenantId};
use kubemate_ledger::{Ledger, UsageRow, new_id};
use tokio_util::task::TaskTracker;

use super::*;
use crate::app::unix_now;

fn caller(tenant: &str, key: &str) -> Caller {
    Caller {
        tenant: TenantId::parse(tenant).unwrap(),
        project: ProjectId::parse("proj_1").unwrap(),
        key: KeyId::parse(key).unwrap(),
        rights: Rights::operator(),
    }
}

async fn opened(config: LimitsConfig) -> (Arc<Limits>, Ledger) {
    let ledger = Ledger::in_memory().await.unwrap();
    (reopened(config, &ledger).await, ledger)
}

/// As after a restart: the ledger stays, the counters are lost.
async fn reopened(config: LimitsConfig, ledger: &Ledger) -> Arc<Limits> {
    let counter: Arc<dyn Counter> = Arc::new(Local::new(&CacheConfig::default()));
    Limits::open(ledger.clone(), config, counter, &TaskTracker::new()).await.unwrap()
}

fn caps(scope: fn(&mut LimitsConfig) -> &mut Caps, caps: Caps) -> LimitsConfig {
    let mut config = LimitsConfig::default();
    *scope(&mut config) = caps;
    config
}

/// 10 tokens of an answer; the prompt has 2 and what is put around it.
const BODY: &[u8] = br#"{"prompt":"Hello world"}"#;
const PROMPT: u64 = 34;

async fn ask(limits: &Limits, caller: &Caller) -> Result<Option<Admission>, ApiError> {
    limits.admit(caller, "m", &Estimate::new(BODY, Some(10), 1)).await
}

fn code(outcome: &Result<Option<Admission>, ApiError>) -> &'static str {
    outcome.as_ref().err().and_then(ApiError::code).unwrap_or("admitted")
}

#[tokio::test]
async fn nothing_configured_is_nothing_done() {
    let (limits, _ledger) = opened(LimitsConfig::default()).await;
    assert!(ask(&limits, &caller("t", "k")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_at_once_exactly_those_that_fit_are_let_in() {
    let budget = 37 * (PROMPT + 10) + 43;
    for limit in [
        Caps { tpm: Some(budget), ..Caps::default() },
        Caps { daily_tokens: Some(budget), ..Caps::default() },
        Caps { monthly_tokens: Some(budget), rpm: Some(90), ..Caps::default() },
        Caps { rpm: Some(37), ..Caps::default() },
        Caps { concurrency: Some(37), daily_tokens: Some(100_000), ..Caps::default() },
    ] {
        let (limits, _ledger) = opened(caps(|config| &mut config.tenant, limit.clone())).await;
        let asking = (0..100).map(|at| {
            let (limits, caller) = (limits.clone(), caller("t", &format!("k{}", at % 3)));
            tokio::spawn(async move { ask(&limits, &caller).await })
        });
        let outcomes: Vec<_> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 37, "{limit:?}");
    }
}

#[tokio::test]
async fn what_is_not_used_is_given_back_and_what_is_used_stays() {
    let limit = Caps { daily_tokens: Some(100), concurrency: Some(2), ..Caps::default() };
    let (limits, _ledger) = opened(caps(|config| &mut config.key, limit)).await;
    let caller = caller("t", "k");
    let mut first = ask(&limits, &caller).await.unwrap().unwrap();
    let second = ask(&limits, &caller).await.unwrap();
    let third = ask(&limits, &caller).await;
    assert_eq!(code(&third), "insufficient_quota", "88 of 100 are reserved");
    first.used(12);
    drop(first);
    drop(second);
    let again = ask(&limits, &caller).await.unwrap();
    assert!(again.is_some(), "12 of 100 are used");
    let mut last = ask(&limits, &caller).await.unwrap().unwrap();
    assert_eq!(code(&ask(&limits, &caller).await), "insufficient_quota");
    last.used(80);
    drop((last, again));
    assert_eq!(code(&ask(&limits, &caller).await), "insufficient_quota", "92 of 100 are used");
}

#[tokio::test]
async fn a_place_is_free_again_at_once() {
    let (limits, _ledger) =
        opened(caps(|config| &mut config.key, Caps { concurrency: Some(1), ..Caps::default() })).await;
    for _ in 0..3 {
        let held = ask(&limits, &caller("t", "k")).await.unwrap();
        assert_eq!(code(&ask(&limits, &caller("t", "k")).await), "rate_limit_exceeded");
        assert!(ask(&limits, &caller("t", "other")).await.unwrap().is_some());
        drop(held);
    }
}

#[tokio::test]
async fn the_strictest_of_several_wins() {
    let mut config = LimitsConfig::default();
    config.key.rpm = Some(3);
    config.tenant.rpm = Some(5);
    config.model.rpm = Some(6);
    let (limits, _ledger) = opened(config).await;
    let mut let_in = Vec::new();
    for (tenant, key) in [("a", "k1"), ("a", "k2"), ("b", "k3")] {
        let mut count = 0;
        while ask(&limits, &caller(tenant, key)).await.is_ok() {
            count += 1;
        }
        let_in.push(count);
    }
    assert_eq!(let_in, [3, 2, 1], "the key's, the tenant's and the model's limit in turn");
}

#[tokio::test]
async fn a_request_that_can_never_fit_is_told_so() {
    let (limits, _ledger) = opened(caps(|config| &mut config.key, Caps { tpm: Some(20), ..Caps::default() })).await;
    let Err(ApiError::RateLimited { retry_after, kind, message }) = ask(&limits, &caller("t", "k")).await else {
        panic!("it is refused")
    };
    assert_eq!((retry_after, kind), (None, "tokens"));
    assert!(message.contains("44 tokens") && message.contains("20 tokens per minute"), "{message}");
}

#[tokio::test]
async fn a_restart_keeps_the_days_budget() {
    let config = caps(|config| &mut config.key, Caps { daily_tokens: Some(1000), ..Caps::default() });
    let (limits, ledger) = opened(config.clone()).await;
    assert!(ask(&limits, &caller("t", "k")).await.unwrap().is_some());
    let row = UsageRow {
        id: new_id("use_"),
        tenant: "t".to_owned(),
        project: "proj_1".to_owned(),
        key: "k".to_owned(),
        model: "m".to_owned(),
        kind: "chat".to_owned(),
        prompt_tokens: 900,
        completion_tokens: 70,
        status: 200,
        latency_ms: 1,
        at: unix_now(),
        cost_nanos: 0,
        currency: String::new(),
        ttft_ms: None,
        cached: false,
        cached_tokens: 0,
        upstream: String::new(),
    };
    ledger.record_usage(vec![row]).await.unwrap();
    let limits = reopened(config, &ledger).await;
    assert_eq!(code(&ask(&limits, &caller("t", "k")).await), "insufficient_quota", "970 of 1000 are spent");
    assert!(ask(&limits, &caller("t", "other")).await.unwrap().is_some());
    assert!(ask(&limits, &caller("u", "k")).await.unwrap().is_some(), "another tenant's key is another key");
}

#[tokio::test]
async fn limits_of_the_ledger_stand_before_the_configurations() {
    let (limits, ledger) =
        opened(caps(|config| &mut config.model, Caps { rpm: Some(1), tpm: Some(10_000), ..Caps::default() })).await;
    let own = Caps { rpm: Some(3), parallel: Some(2), ..Caps::default() };
    ledger.put_limit(own.row(Scope::Model, "m", 1)).await.unwrap();
    limits.refresh().await;
    let caller = caller("t", "k");
    for _ in 0..3 {
        assert!(ask(&limits, &caller).await.is_ok());
    }
    assert_eq!(code(&ask(&limits, &caller).await), "rate_limit_exceeded");
    assert_eq!(limits.turn_of(&caller, "m"), (Some(2), Priority::Normal));
    ledger.delete_limit("model", "m").await.unwrap();
    limits.refresh().await;
    assert_eq!(limits.turn_of(&caller, "m"), (None, Priority::Normal));
}

/// A counter that cannot be reached.
#[derive(Debug)]
struct Gone;

#[async_trait::async_trait]
impl Counter for Gone {
    async fn add(
        &self,
        _: &TenantId,
        _: &kubemate_cache::CacheKey,
        _: i64,
        _: std::time::Duration,
    ) -> Result<u64, CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }

    async fn reserve(&self, _: &[Claim]) -> Result<kubemate_cache::Reserved, CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }

    async fn settle(&self, _: &[kubemate_cache::Settlement]) -> Result<(), CacheError> {
        Err(CacheError::Unavailable("gone".to_owned()))
    }
}

#[tokio::test]
async fn without_the_shared_counters_each_process_counts_alone() {
    let ledger = Ledger::in_memory().await.unwrap();
    let config = caps(|config| &mut config.key, Caps { rpm: Some(2), daily_tokens: Some(1000), ..Caps::default() });
    let limits = Limits::open(ledger, config, Arc::new(Gone), &TaskTracker::new()).await.unwrap();
    assert!(ask(&limits, &caller("t", "k")).await.is_ok());
    assert!(ask(&limits, &caller("t", "k")).await.is_ok());
    assert_eq!(code(&ask(&limits, &caller("t", "k")).await), "rate_limit_exceeded");
}
