//! Every request to a model ends in one usage row and one audit row, however it ends.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::StatusCode;
use kubemate_identity::Caller;
use kubemate_ledger::{Ledger, LedgerError, UsageRow};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use crate::{
    api::ApiError,
    app::unix_now,
    auth::model_call,
    telemetry::{Call, Chosen},
};

/// Rows written in one transaction.
const BATCH: usize = 512;

/// Where settled requests go. Unbounded: a settled request must never wait or be lost, and rows are small.
#[derive(Clone, Debug)]
pub(crate) struct UsageMeter {
    rows: mpsc::UnboundedSender<UsageRow>,
    closing: CancellationToken,
}

impl UsageMeter {
    /// Starts the writer; it ends after [`UsageMeter::close`], when everything is written.
    pub(crate) fn start(ledger: Ledger, tasks: &TaskTracker) -> Self {
        let (rows, waiting) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        tasks.spawn(write(ledger, waiting, closing.clone()));
        Self { rows, closing }
    }

    /// Takes no more rows; those that wait are still written.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Begins to meter one request; dropping the meter settles it.
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
            status: status_of(StatusCode::OK),
            latency_ms: 0,
            at: unix_now(),
        };
        Meter {
            rows: self.rows.clone(),
            row: Some(row),
            begun: Instant::now(),
            call: Call::begin(),
            choices: BTreeMap::new(),
        }
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
        while let Err(error) = ledger.record_usage(batch.clone()).await {
            again(&error, batch.len()).await;
        }
        let calls: Vec<_> = batch.drain(..).map(|row| model_call(&row)).collect();
        while let Err(error) = ledger.audit_all(calls.clone()).await {
            again(&error, calls.len()).await;
        }
    }
}

async fn again(error: &LedgerError, rows: usize) {
    error!(error = %error, rows, "usage rows cannot be written, trying again");
    tokio::time::sleep(Duration::from_secs(1)).await;
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
}

impl Meter {
    /// The tokens of the prompt are known.
    pub(crate) fn prompt(&mut self, tokens: u64) {
        if let Some(row) = &mut self.row {
            row.prompt_tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        }
    }

    /// Who shall answer, and why; told again when another one is tried.
    pub(crate) fn routed(&mut self, chosen: Chosen<'_>) {
        if let Some(row) = &self.row {
            self.call.routed(&row.model, chosen);
        }
    }

    /// The first token is on its way; later calls do nothing.
    pub(crate) fn began(&mut self) {
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

    /// The request did not end well.
    pub(crate) fn failed(&mut self, status: StatusCode) {
        if let Some(row) = &mut self.row {
            row.status = status_of(status);
        }
    }
}

/// Status codes have three digits, so they fit.
fn status_of(status: StatusCode) -> i16 {
    i16::try_from(status.as_u16()).unwrap_or(i16::MAX)
}

impl Drop for Meter {
    fn drop(&mut self) {
        let Some(mut row) = self.row.take() else { return };
        row.completion_tokens = i64::try_from(self.choices.values().sum::<u64>()).unwrap_or(i64::MAX);
        row.latency_ms = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
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
            status: 200,
            latency_ms: 0,
            at: 0,
        };
        (Self { rows, row: Some(row), begun: Instant::now(), call: Call::begin(), choices: BTreeMap::new() }, settled)
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
        assert_eq!((row.prompt_tokens, row.completion_tokens), (7, 6));
        assert!(settled.try_recv().is_err(), "one row a request");
    }
}
