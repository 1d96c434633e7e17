//! What has to go in time: old responses and old audit rows. Expired documents and ended jobs are the corpus's.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::app::{App, unix_now, unix_now_ms};

/// How often it is looked for, which only frees space.
const CLEAN_EVERY: Duration = Duration::from_mins(5);
/// How often limits are asked for that another process or the command line has changed; they act within a second.
const ASK_LIMITS_EVERY: Duration = Duration::from_millis(500);
/// How long a stored response can be fetched and continued, in seconds: OpenAI keeps them for thirty days.
const RESPONSES_STAY: i64 = 30 * 24 * 60 * 60;

/// Cleans up until the process stops.
pub(crate) async fn run(app: App) {
    keep_retention(&app).await;
    let mut cleaning = interval(CLEAN_EVERY);
    cleaning.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = cleaning.tick() => clean(&app).await,
            () = app.stop.cancelled() => return,
        }
    }
}

/// Keeps the limits up to date until the process stops.
pub(crate) async fn watch_limits(app: App) {
    let mut ticks = interval(ASK_LIMITS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => app.limits.refresh().await,
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

async fn clean(app: &App) {
    trim_responses(app, unix_now()).await;
    if let Err(error) = app.ledger.trim_audit(unix_now_ms()).await {
        warn!(error = %error, "old audit rows could not be let go");
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
