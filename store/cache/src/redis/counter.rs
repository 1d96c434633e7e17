//! Counters on the server: each step is one script, so nothing happens between its check and its addition.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand;
use kubemate_identity::TenantId;
use redis::{Script, ScriptInvocation};

use super::{Redis, millis};
use crate::{CacheError, CacheKey, Claim, Counter, Reserved, Settlement, Span, Standing, Verdict};

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add.lua")));
static RESERVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("reserve.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// Largest number that Lua, whose numbers are doubles, counts exactly.
const EXACT: u64 = 1 << 53;

#[async_trait]
impl Counter for Redis {
    async fn add(&self, tenant: &TenantId, key: &CacheKey, n: i64, window: Duration) -> Result<u64, CacheError> {
        let n = n.clamp(-EXACT.cast_signed(), EXACT.cast_signed());
        let mut call = ADD.prepare_invoke();
        call.key(self.name(tenant, key)).arg(n).arg(millis(window)).arg(fresh()?);
        self.link.invoke(&call).await
    }

    async fn reserve(&self, claims: &[Claim]) -> Result<Reserved, CacheError> {
        if claims.is_empty() {
            return Ok(Reserved { standings: Vec::new() });
        }
        let mut call = RESERVE.prepare_invoke();
        call.arg(fresh()?);
        for claim in claims {
            self.claimed(&mut call, claim);
        }
        let told: Vec<(u64, String, i64, u8)> = self.link.invoke(&call).await?;
        Ok(Reserved { standings: told.into_iter().map(standing).collect() })
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<(), CacheError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let mut call = SETTLE.prepare_invoke();
        for Settlement { claim, window, used } in settlements {
            let (kind, extra) = kind(claim.span);
            call.key(self.counter(claim))
                .arg(kind)
                .arg(claim.n.min(EXACT))
                .arg(*window)
                .arg(*used.min(&EXACT))
                .arg(extra);
        }
        self.link.invoke(&call).await
    }
}

impl Redis {
    fn counter(&self, claim: &Claim) -> String {
        match &claim.owner {
            Some(tenant) => self.name(tenant, &claim.key),
            // No tenant has this name.
            None => format!("{}:{{*}}:{}", self.prefix, claim.key),
        }
    }

    fn claimed(&self, call: &mut ScriptInvocation<'_>, claim: &Claim) {
        let (kind, extra) = kind(claim.span);
        let n = if matches!(claim.span, Span::Lease { .. }) { 1 } else { claim.n.min(EXACT) };
        let most = if claim.most == u64::MAX { -1 } else { claim.most.min(EXACT).cast_signed() };
        call.key(self.counter(claim)).arg(kind).arg(n).arg(most).arg(millis(claim.lasts)).arg(extra);
    }
}

/// The kind's letter and what goes with it.
fn kind(span: Span) -> (&'static str, String) {
    match span {
        Span::Window => ("w", String::new()),
        Span::Budget(sum) => ("b", sum.map_or_else(String::new, |sum| sum.min(EXACT).to_string())),
        Span::Lease { holder } => ("l", holder.to_string()),
    }
}

fn standing((used, window, left, verdict): (u64, String, i64, u8)) -> Standing {
    Standing {
        used,
        window: window.parse().unwrap_or(0),
        left: u64::try_from(left).map(Duration::from_millis).unwrap_or_default(),
        verdict: match verdict {
            0 => Verdict::Fits,
            1 => Verdict::Full,
            _ => Verdict::Unknown,
        },
    }
}

/// A window's name that no other has, from whichever process; never 0.
fn fresh() -> Result<u64, CacheError> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| CacheError::Unavailable("no random numbers".to_owned()))?;
    Ok(u64::from_le_bytes(random).max(1))
}
