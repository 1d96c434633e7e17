//! Every request to a model ends in one usage row and one audit row, however it ends.

use std::{
    collections::BTreeMap,
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::StatusCode;
use kubemate_identity::Caller;
use kubemate_ledger::{Ledger, LedgerError, UsageRow};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use super::prices::{Price, Prices};
use crate::{
    api::ApiError,
    app::unix_now,
    auth::model_call,
    limits::{Admission, Estimate, Limits, LimitsConfig, Turn, Turns},
    telemetry::{Call, Chosen},
};

/// Choices that the local decoder draws at once.
const CHOICES: u32 = 8;
/// Most rows written in one transaction. Measured: a row alone costs 930 µs of processor time, one of 512 costs 26.
const BATCH: usize = 2048;
/// How long the first row waits for others.
const COMPANY: Duration = Duration::from_millis(250);

/// Where settled requests go. Unbounded: a settled request must never wait or be lost, and rows are small.
#[derive(Clone, Debug)]
pub(crate) struct UsageMeter {
    rows: mpsc::UnboundedSender<UsageRow>,
    closing: CancellationToken,
    gate: Arc<Gate>,
}

/// Status of a request whose client left before its answer was whole. Source: nginx, whose number it is.
const LEFT: i16 = 499;

/// What a request passes before it runs.
#[derive(Debug)]
struct Gate {
    limits: Arc<Limits>,
    turns: Turns,
    prices: ArcSwap<Prices>,
}

impl UsageMeter {
    /// Starts the writer; it ends after [`UsageMeter::close`], when everything is written.
    pub(crate) fn start(
        ledger: Ledger,
        tasks: &TaskTracker,
        (limits, turns): (Arc<Limits>, Turns),
        prices: Prices,
    ) -> Self {
        let (rows, waiting) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        tasks.spawn(write(ledger, waiting, closing.clone()));
        Self { rows, closing, gate: Arc::new(Gate { limits, turns, prices: ArcSwap::from_pointee(prices) }) }
    }

    /// Takes no more rows; those that wait are still written.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Puts other limits, prices and length of the lines in force for requests from now on.
    ///
    /// # Errors
    /// The ledger's; nothing has changed then.
    pub(crate) async fn replace(&self, limits: LimitsConfig, prices: Prices) -> Result<(), LedgerError> {
        let queue = limits.queue;
        self.gate.limits.replace(limits).await?;
        self.gate.turns.may_wait(queue);
        self.gate.prices.store(Arc::new(prices));
        Ok(())
    }

    /// Lets a request in: reserves what it may use, and waits for its turn where requests wait. Dropping the meter settles
    /// it and gives everything back. A request that is not let in is booked too.
    ///
    /// # Errors
    /// `RateLimited`, `QuotaSpent`, and `Busy` when too many wait.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        model: &str,
        kind: &'static str,
        estimate: Estimate<'_>,
    ) -> Result<Meter, ApiError> {
        self.let_in(self.begin(caller, model, kind), caller, model, estimate).await
    }

    /// As [`Self::admit`], for a request that is metered already.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) async fn let_in(
        &self,
        mut meter: Meter,
        caller: &Caller,
        model: &str,
        estimate: Estimate<'_>,
    ) -> Result<Meter, ApiError> {
        if estimate.streams() {
            meter.call.streams();
        }
        meter.admission = meter.watch(self.gate.limits.admit(caller, model, &estimate).await)?;
        meter.turn = meter.watch(self.gate.turn(caller, model, &estimate).await)?;
        Ok(meter)
    }

    /// Begins to meter a request that is not let in yet, or is refused for another reason than a limit.
    pub(crate) fn begin(&self, caller: &Caller, model: &str, kind: &'static str) -> Meter {
        let row = UsageRow {
            id: kubemate_ledger::new_id("use_"),
            tenant: caller.tenant.to_string(),
            project: caller.project.to_string(),
            key: caller.key.to_string(),
            model: model.to_owned(),
            kind: kind.to_owned(),
            prompt_tokens: 0,
            completion_tokens: 0,
            status: LEFT,
            latency_ms: 0,
            at: unix_now(),
            cost_nanos: 0,
            currency: String::new(),
            ttft_ms: None,
            cached: false,
            cached_tokens: 0,
            upstream: String::new(),
        };
        Meter::of(self.rows.clone(), row, Call::begin(kind, model), self.gate.prices.load().get(model).cloned())
    }
}

async fn write(ledger: Ledger, mut waiting: mpsc::UnboundedReceiver<UsageRow>, closing: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            taken = waiting.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = closing.cancelled(), if !waiting.is_closed() => {
                waiting.close();
                continue;
            }
        }
        company(&closing).await;
        while !batch.is_empty() {
            let room = BATCH - batch.len();
            batch.extend(iter::from_fn(|| waiting.try_recv().ok()).take(room));
            let calls: Vec<_> = batch.iter().map(model_call).collect();
            while let Err(error) = ledger.record_calls(&batch, &calls).await {
                again(&error, batch.len()).await;
            }
            batch.clear();
            batch.extend(waiting.try_recv());
        }
    }
}

/// Gives more rows the time to come; none once the process closes. Nobody listens meanwhile, so that a request that is
/// settled wakes nobody.
async fn company(closing: &CancellationToken) {
    tokio::select! {
        () = closing.cancelled() => {}
        () = tokio::time::sleep(COMPANY) => {}
    }
}

async fn again(error: &LedgerError, rows: usize) {
    error!(error = %error, rows, "usage rows cannot be written, trying again");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

impl Gate {
    async fn turn(&self, caller: &Caller, model: &str, estimate: &Estimate<'_>) -> Result<Option<Turn>, ApiError> {
        let model = estimate.generates_on().unwrap_or(model);
        let (parallel, priority) = self.limits.turn_of(caller, model);
        let places = parallel.or_else(|| estimate.generates_on().map(|_| CHOICES));
        let Some(places) = places else { return Ok(None) };
        let cost = u32::try_from(estimate.drawn()).unwrap_or(u32::MAX);
        Box::pin(self.turns.wait(model, places, (caller, priority), cost)).await.map(Some)
    }
}

/// Meters one request. Owned by its answer, so that a client that leaves settles it too.
#[derive(Debug)]
pub(crate) struct Meter {
    rows: mpsc::UnboundedSender<UsageRow>,
    row: Option<UsageRow>,
    begun: Instant,
    call: Call,
    /// Tokens of each choice so far.
    choices: BTreeMap<u32, u64>,
    price: Option<Price>,
    admission: Option<Admission>,
    turn: Option<Turn>,
}

impl Meter {
    fn of(rows: mpsc::UnboundedSender<UsageRow>, row: UsageRow, call: Call, price: Option<Price>) -> Self {
        Self {
            rows,
            row: Some(row),
            begun: Instant::now(),
            call,
            choices: BTreeMap::new(),
            price,
            admission: None,
            turn: None,
        }
    }

    /// The answer cache answers (`hit` or `stale`): no model computes, so budgets and costs take nothing of it.
    pub(crate) fn cached(&mut self, outcome: &'static str) {
        self.call.cached(outcome);
        if let Some(row) = &mut self.row {
            row.cached = true;
        }
    }

    /// So many tokens of the prompt were in the upstream's own prefix cache.
    pub(crate) fn cached_tokens(&mut self, tokens: u64) {
        if let Some(row) = &mut self.row {
            row.cached_tokens = whole(tokens);
        }
    }

    /// The tokens of the prompt are known.
    pub(crate) fn prompt(&mut self, tokens: u64) {
        if let Some(row) = &mut self.row {
            row.prompt_tokens = whole(tokens);
        }
    }

    /// Nothing was kept for it: the answer will be.
    pub(crate) fn missed(&mut self) {
        self.call.cached("miss");
    }

    /// Who answers, and why; told again when another one takes over.
    pub(crate) fn routed(&mut self, chosen: Chosen<'_>) {
        if let Some(row) = &mut self.row {
            chosen.upstream.clone_into(&mut row.upstream);
            self.call.routed(&row.model, chosen);
        }
    }

    /// The first token is on its way; later calls do nothing.
    pub(crate) fn began(&mut self) {
        if let Some(row) = self.row.as_mut().filter(|row| row.ttft_ms.is_none()) {
            row.ttft_ms = Some(i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        }
        self.call.first_token();
    }

    /// A choice has taken so many tokens so far; a client that leaves now pays for these.
    pub(crate) fn reached(&mut self, choice: u32, tokens: u64) {
        self.began();
        let counted = self.choices.entry(choice).or_default();
        *counted = tokens.max(*counted);
    }

    /// Notes how a step of the request came out, and hands it on.
    pub(crate) fn watch<T>(&mut self, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        outcome.inspect_err(|error| self.failed(error.status()))
    }

    /// The answer is whole. A meter that is dropped without it, or without a failure, has lost its client.
    pub(crate) fn answered(&mut self) {
        if let Some(row) = self.row.as_mut().filter(|row| row.status == LEFT) {
            row.status = status_of(StatusCode::OK);
        }
    }

    /// The request did not end well.
    pub(crate) fn failed(&mut self, status: StatusCode) {
        if let Some(row) = &mut self.row {
            row.status = status_of(status);
        }
    }
}

fn whole(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Status codes have three digits, so they fit.
fn status_of(status: StatusCode) -> i16 {
    i16::try_from(status.as_u16()).unwrap_or(i16::MAX)
}

impl Drop for Meter {
    fn drop(&mut self) {
        let Some(mut row) = self.row.take() else { return };
        row.completion_tokens = whole(self.choices.values().sum());
        row.latency_ms = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        if let Some(price) = &self.price {
            price.charge(&mut row);
        }
        if let Some(admission) = self.admission.as_mut().filter(|_| !row.cached) {
            admission.used(row.prompt_tokens.saturating_add(row.completion_tokens).unsigned_abs());
        }
        self.call.settle(&row);
        if self.rows.send(row).is_err() {
            error!("a request was settled after the usage writer had closed");
        }
    }
}

#[cfg(test)]
impl Meter {
    /// A meter whose row comes out at the other end.
    pub(crate) fn detached() -> (Self, mpsc::UnboundedReceiver<UsageRow>) {
        let (rows, settled) = mpsc::unbounded_channel();
        let row = UsageRow {
            id: "use_1".to_owned(),
            tenant: "default".to_owned(),
            project: "proj_1".to_owned(),
            key: "key_1".to_owned(),
            model: "m".to_owned(),
            kind: "chat".to_owned(),
            prompt_tokens: 0,
            completion_tokens: 0,
            status: LEFT,
            latency_ms: 0,
            at: 0,
            cost_nanos: 0,
            currency: String::new(),
            ttft_ms: None,
            cached: false,
            cached_tokens: 0,
            upstream: String::new(),
        };
        (Self::of(rows, row, Call::begin("chat", "m"), None), settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_leaves_pays_for_what_was_drawn_until_then() {
        let (mut meter, mut settled) = Meter::detached();
        meter.prompt(7);
        for (choice, tokens) in [(0, 1), (1, 1), (0, 4), (1, 2)] {
            meter.reached(choice, tokens);
        }
        drop(meter);
        let row = settled.try_recv().unwrap();
        assert_eq!((row.prompt_tokens, row.completion_tokens, row.status), (7, 6, 499));
        assert!(settled.try_recv().is_err(), "one row a request");
    }

    #[test]
    fn a_row_says_what_its_tokens_cost() {
        let price = Price { input: 0.15, cached_input: Some(0.075), output: 0.6, currency: "USD".to_owned() };
        let cost = |tell: fn(&mut Meter)| {
            let (mut meter, mut settled) = Meter::detached();
            meter.price = Some(price.clone());
            meter.prompt(1_000_000);
            meter.reached(0, 100_000);
            tell(&mut meter);
            drop(meter);
            settled.try_recv().unwrap()
        };
        let row = cost(|_| ());
        assert_eq!((row.cost_nanos, row.currency.as_str()), (210_000_000, "USD"), "0.15 + 0.06");
        assert!(row.ttft_ms.is_some());
        assert_eq!(cost(|meter| meter.cached_tokens(400_000)).cost_nanos, 180_000_000, "0.09 + 0.03 + 0.06");
        let cached = cost(|meter| meter.cached("hit"));
        assert_eq!((cached.cost_nanos, cached.cached, cached.prompt_tokens), (0, true, 1_000_000));
        let routed = |meter: &mut Meter| meter.routed(Chosen { upstream: "gpu", ..Chosen::here("m") });
        assert_eq!(cost(routed).upstream, "gpu");
    }
}
