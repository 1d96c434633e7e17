//! Who did what: rows leave through a bounded channel and are chained by the ledger in batches.

use http::Method;
use kubemate_identity::{Caller, TenantId};
use kubemate_ledger::{AuditEvent, Ledger, LedgerError, Outcome, UsageRow};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use crate::{api::ApiError, app::unix_now_ms};

/// Rows that may wait for the ledger. Beyond it the caller waits: an audit row is never dropped.
const WAITING: usize = 8192;
/// Rows chained in one transaction.
const BATCH: usize = 512;

/// The writing end of the trail.
#[derive(Clone, Debug)]
pub(crate) struct AuditTrail {
    ledger: Ledger,
    rows: mpsc::Sender<AuditEvent>,
    closing: CancellationToken,
}

/// One thing that was done, before it has a time and a place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Deed<'a> {
    /// The tenant it was done to, when that is not the caller's own.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) action: &'a str,
    pub(crate) target: String,
    pub(crate) detail: Value,
}

impl<'a> Deed<'a> {
    /// A deed with nothing more to say than its target.
    pub(crate) fn new(action: &'a str, target: impl Into<String>) -> Self {
        Self { tenant: None, action, target: target.into(), detail: Value::Null }
    }

    /// Books the deed on the tenant it was done to.
    pub(crate) fn to(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.clone());
        self
    }

    /// Adds metadata: never prompts, documents or keys.
    pub(crate) fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

impl AuditTrail {
    /// Starts the writer; it ends after [`AuditTrail::close`], when everything is written.
    pub(crate) fn start(ledger: Ledger, tasks: &TaskTracker) -> Self {
        let (rows, waiting) = mpsc::channel(WAITING);
        let closing = CancellationToken::new();
        tasks.spawn(write(ledger.clone(), waiting, closing.clone()));
        Self { ledger, rows, closing }
    }

    /// Takes no more rows; those that wait are still written.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Records `deed` soon. Waits only when thousands of rows wait already.
    pub(crate) async fn record(&self, caller: &Caller, deed: Deed<'_>) {
        if self.rows.send(event(Some(&caller.tenant), caller.key.as_str(), deed, Outcome::Ok)).await.is_err() {
            error!("an audit row came after the trail was closed");
        }
    }

    /// Makes an admin change between two rows: one that it begins, one how it came out. A change whose first row cannot
    /// be written is not made.
    ///
    /// # Errors
    /// The ledger's, and the change's own.
    pub(crate) async fn change<T, E: Into<ApiError>>(
        &self,
        caller: &Caller,
        deed: Deed<'_>,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ApiError> {
        Self::change_in(&self.ledger, caller, deed, change).await?.map_err(Into::into)
    }

    /// The same without a running trail, for the command line.
    ///
    /// # Errors
    /// The ledger's outside, the change's own inside.
    pub(crate) async fn change_in<T, E>(
        ledger: &Ledger,
        caller: &Caller,
        deed: Deed<'_>,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, E>, LedgerError> {
        let row = |outcome| event(Some(&caller.tenant), caller.key.as_str(), deed.clone(), outcome);
        ledger.audit(row(Outcome::Begun)).await?;
        let made = change.await;
        let outcome = if made.is_ok() { Outcome::Ok } else { Outcome::Failed };
        if let Err(error) = ledger.audit(row(outcome)).await {
            error!(error = %error, "how an admin change came out is not in the audit trail; that it began is");
        }
        Ok(made)
    }

    /// Records that somebody was turned away; `caller` is whoever holds the key, if it is a good one.
    pub(crate) async fn denied(&self, caller: Option<&Caller>, method: &Method, route: &str, code: &str) {
        let deed = Deed::new("request.denied", format!("{method} {route}")).with(json!({ "code": code }));
        let actor = caller.map_or("stranger", |caller| caller.key.as_str());
        let row = event(caller.map(|caller| &caller.tenant), actor, deed, Outcome::Denied);
        if self.rows.send(row).await.is_err() {
            error!(http.route = %route, "a denial came after the audit trail was closed");
        }
    }
}

/// The row of a request to a model, from what is metered of it: who asked which model, never what.
pub(crate) fn model_call(usage: &UsageRow) -> AuditEvent {
    let outcome = if usage.status < 400 { Outcome::Ok } else { Outcome::Failed };
    let detail = json!({ "kind": usage.kind, "usage": usage.id, "status": usage.status });
    let deed = Deed::new("model.call", usage.model.clone()).with(detail);
    event(TenantId::parse(&usage.tenant).ok().as_ref(), &usage.key, deed, outcome)
}

fn event(tenant: Option<&TenantId>, actor: &str, deed: Deed<'_>, outcome: Outcome) -> AuditEvent {
    AuditEvent {
        tenant: deed.tenant.or_else(|| tenant.cloned()),
        actor: actor.to_owned(),
        action: deed.action.to_owned(),
        target: deed.target,
        outcome,
        at_ms: unix_now_ms(),
        detail: deed.detail,
    }
}

async fn write(ledger: Ledger, mut waiting: mpsc::Receiver<AuditEvent>, closing: CancellationToken) {
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
        while let Err(error) = ledger.audit_all(batch.clone()).await {
            error!(error = %error, rows = batch.len(), "audit rows cannot be written, trying again");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        batch.clear();
    }
}
