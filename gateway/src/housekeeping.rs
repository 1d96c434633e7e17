//! What has to go in time: expired files and stores, old responses, old audit rows, ended jobs.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::app::{App, unix_now, unix_now_ms};

/// How often expired files and stores are let go: until then they are still served.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How often the rest is cleaned up, which only frees space.
const CLEAN_EVERY: Duration = Duration::from_mins(5);

/// How long a stored response can be fetched and continued, in seconds: OpenAI keeps them for thirty days.
const RESPONSES_STAY: i64 = 30 * 24 * 60 * 60;

/// Cleans up until the process stops.
pub(crate) async fn run(app: App) {
    keep_retention(&app).await;
    let [mut expiry, mut cleaning] = [EXPIRE_EVERY, CLEAN_EVERY].map(|every| {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    loop {
        tokio::select! {
            _ = expiry.tick() => expire(&app).await,
            _ = cleaning.tick() => clean(&app).await,
            () = app.stop.cancelled() => return,
        }
    }
}

/// The setting of the file becomes the ledger's.
async fn keep_retention(app: &App) {
    let days = i64::from(app.config.audit.retention_days);
    if let Err(error) = app.ledger.set_audit_retention_days(days, unix_now()).await {
        warn!(error = %error, "the retention of audit rows could not be set");
    }
}

async fn expire(app: &App) {
    match app.ledger.delete_expired(unix_now()).await {
        Ok(expired) => tracing::debug!(?expired, "expired files and stores were let go"),
        Err(error) => warn!(error = %error, "expired files and stores could not be let go"),
    }
}

async fn clean(app: &App) {
    trim_responses(app, unix_now()).await;
    if let Err(error) = app.ledger.trim_audit(unix_now_ms()).await {
        warn!(error = %error, "old audit rows could not be let go");
    }
    let keep = i64::try_from(app.config.corpus.worker.keep_ended_jobs.as_millis()).unwrap_or(i64::MAX);
    if let Err(error) = app.ledger.purge_jobs(unix_now_ms().saturating_sub(keep)).await {
        warn!(error = %error, "ended jobs could not be let go");
    }
}

async fn trim_responses(app: &App, now: i64) {
    loop {
        match app.ledger.trim_responses(now.saturating_sub(RESPONSES_STAY)).await {
            Ok(0) => return,
            Ok(count) => tracing::debug!(responses.count = count, "old responses were let go"),
            Err(error) => return warn!(error = %error, "old responses could not be let go"),
        }
    }
}
