//! What keys, projects, tenants and models may use: reserved before a request runs, settled with what it really used.
//!
//! Every limit that names the caller or the model holds, so the strictest wins. See docs/adr/0060-limits.md.

mod admission;
mod config;
mod counting;
mod estimate;
mod fair;
mod plan;
mod rates;
mod refusal;
mod table;
mod turns;

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::FutureExt;
use kubemate_cache::{CacheError, Claim, Counter, Local};
use kubemate_identity::Caller;
use kubemate_ledger::{Ledger, LedgerError};
use tokio_util::task::TaskTracker;
use tracing::warn;

pub(crate) use self::{
    admission::Admission,
    config::{Caps, LimitsConfig, Priority, Scope},
    estimate::Estimate,
    rates::stamped,
    turns::{Turn, Turns},
};
use self::{
    admission::{Books, Held},
    plan::Plan,
    table::Table,
};
use crate::api::ApiError;

/// How often a claim is tried again because a budget that was known a moment ago is not there any more.
const TRIES: usize = 3;

/// All limits in force and the counters behind them.
#[derive(Debug)]
pub(crate) struct Limits {
    table: ArcSwap<Table>,
    /// What holds for all who have no limits of their own.
    config: ArcSwap<LimitsConfig>,
    ledger: Ledger,
    /// Shared by all gateways, when they are more than one.
    shared: Books,
    /// Of this process, while the shared counters cannot be reached.
    own: Books,
    /// One at a time changes the table.
    changing: tokio::sync::Mutex<()>,
    /// One at a time finds out what a budget has spent.
    finding: tokio::sync::Mutex<()>,
}

impl Limits {
    /// The limits of `config` and of the ledger; `counter` counts them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) async fn open(
        ledger: Ledger,
        config: LimitsConfig,
        counter: Arc<dyn Counter>,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Arc<Self>> {
        let table = Table::read(&ledger, &config).await?;
        let own: Arc<dyn Counter> = Arc::new(Local::new(&kubemate_cache::CacheConfig::default()));
        Ok(Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            config: ArcSwap::from_pointee(config),
            ledger,
            shared: Books::new(counter, tasks.clone()),
            own: Books::new(own, tasks.clone()),
            changing: tokio::sync::Mutex::default(),
            finding: tokio::sync::Mutex::default(),
        }))
    }

    /// Reads the limits anew when somebody changed them.
    pub(crate) async fn refresh(&self) {
        let _one_at_a_time = self.changing.lock().await;
        let read = async {
            if self.ledger.limits_revision().await? != self.table.load().revision {
                self.table.store(Arc::new(Table::read(&self.ledger, &self.config.load_full()).await?));
            }
            anyhow::Ok(())
        };
        if let Err(error) = read.await {
            warn!(error = %error, "the limits could not be read anew; those known hold on");
        }
    }

    /// Puts other limits in force for all who have none of their own; counters go on from where they are.
    ///
    /// # Errors
    /// The ledger's; the limits stay as they were.
    pub(crate) async fn replace(&self, config: LimitsConfig) -> Result<(), LedgerError> {
        let _one_at_a_time = self.changing.lock().await;
        let table = Table::read(&self.ledger, &config).await?;
        self.config.store(Arc::new(config));
        self.table.store(Arc::new(table));
        Ok(())
    }

    /// How many requests a model answers at once before others wait, and who goes first.
    pub(crate) fn turn_of(&self, caller: &Caller, model: &str) -> (Option<u32>, Priority) {
        let table = self.table.load();
        if table.is_empty() { (None, Priority::Normal) } else { table.turn_of(caller, model) }
    }

    /// Reserves what a request may use, or nothing. `None`: nothing limits it.
    ///
    /// # Errors
    /// `RateLimited` and `QuotaSpent` when it does not fit; the ledger's when a budget's state cannot be found out.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        model: &str,
        estimate: &Estimate<'_>,
    ) -> Result<Option<Admission>, ApiError> {
        let table = self.table.load();
        if table.is_empty() {
            return Ok(None);
        }
        let plan = table.plan(caller, model);
        drop(table);
        if plan.is_empty() {
            return Ok(None);
        }
        // Apart, so that requests that nothing limits do not carry the room for it.
        Box::pin(self.claim(plan, estimate)).await
    }

    async fn claim(&self, plan: Arc<Plan>, estimate: &Estimate<'_>) -> Result<Option<Admission>, ApiError> {
        let tokens = if plan.counts_tokens() { estimate.tokens(self.config.load().answer_tokens).await? } else { 0 };
        let held = self.reserve(&plan, tokens).await?;
        rates::note(&held);
        if held.granted() { Ok(Some(Admission::new(held))) } else { Err(refusal::refusal(&held)) }
    }

    async fn reserve(&self, plan: &Arc<Plan>, tokens: u64) -> Result<Held, ApiError> {
        let mut claims = plan.claims(tokens);
        let mut held = self.try_reserve(plan, &claims).await;
        if !held.unknown() {
            return Ok(held);
        }
        let _one_at_a_time = self.finding.lock().await;
        for _ in 0..TRIES {
            held = self.try_reserve(plan, &claims).await;
            if !held.unknown() {
                break;
            }
            plan.find_spent(&self.ledger, &mut claims).await?;
        }
        if held.unknown() {
            held = self.try_reserve(plan, &claims).await;
        }
        Ok(held)
    }

    /// While the shared counters cannot be reached, each process counts by itself: chat goes on.
    async fn try_reserve(&self, plan: &Arc<Plan>, claims: &[Claim]) -> Held {
        match self.shared.reserve(plan, claims).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(error = %error, "limits are counted by this process alone");
                metrics::counter!("kubemate_limits_alone_total").increment(1);
                self.own.reserve(plan, claims).await.unwrap_or_else(|_| Held::nothing(plan, claims))
            }
        }
    }
}

/// Runs `future` here when it ends at once, else in a task of its own, so that what it took is given back when nobody
/// waits for it any more.
async fn unbroken(
    tasks: &TaskTracker,
    future: impl Future<Output = Result<Held, CacheError>> + Send + 'static,
) -> Result<Held, CacheError> {
    let mut future = Box::pin(future);
    match (&mut future).now_or_never() {
        Some(ended) => ended,
        None => tasks.spawn(future).await.unwrap_or_else(|error| Err(CacheError::Unavailable(error.to_string()))),
    }
}

#[cfg(test)]
mod tests;
