//! One line of JSON for each call to a model: who, what, by which target and why, and how it went. Never what was said.

use std::{io::Write, time::SystemTime};

use metrics::{Counter, counter};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Lines that may wait to be written; past that they are counted and let go.
const WAITING: usize = 8192;
/// Lines written at once.
const BATCH: usize = 256;

/// Which calls leave a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Requests {
    /// Those that ended with a status of 400 or above.
    #[default]
    Errors,
    All,
    None,
}

/// A line. Times are in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    #[serde(serialize_with = "rfc3339")]
    pub(super) timestamp: SystemTime,
    pub(super) log: &'static str,
    #[serde(rename = "request.id")]
    pub(super) request: Option<String>,
    pub(super) tenant: String,
    pub(super) project: String,
    pub(super) key: String,
    pub(super) model: String,
    pub(super) kind: String,
    pub(super) door: Option<String>,
    pub(super) stream: bool,
    pub(super) upstream: Option<Box<str>>,
    pub(super) target: Option<Box<str>>,
    pub(super) policy: Option<&'static str>,
    pub(super) attempts: u32,
    pub(super) fallback: bool,
    pub(super) canary: bool,
    pub(super) cache: Option<&'static str>,
    pub(super) status: i16,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) duration_us: u64,
    pub(super) first_token_us: Option<u64>,
    pub(super) upstream_us: Option<u64>,
}

fn rfc3339<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = OffsetDateTime::from(*at).format(&Rfc3339);
    serializer.serialize_str(&text.map_err(serde::ser::Error::custom)?)
}

/// Takes lines from requests; none waits for it.
#[derive(Debug)]
pub(super) struct RequestLog {
    wanted: Requests,
    lines: mpsc::Sender<Line>,
    dropped: Counter,
}

impl RequestLog {
    /// Starts the writer to standard error; it ends when `closing` is cancelled and everything that waited is written.
    pub(super) fn start(wanted: Requests, tasks: &TaskTracker, closing: CancellationToken) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        tasks.spawn(write(waiting, closing));
        Self { wanted, lines, dropped: counter!("kubemate_request_log_dropped_total") }
    }

    /// Whether a call that ended with `status` leaves a line.
    pub(super) fn wants(&self, status: i16) -> bool {
        match self.wanted {
            Requests::All => true,
            Requests::Errors => status >= 400,
            Requests::None => false,
        }
    }

    pub(super) fn write(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.increment(1);
        }
    }
}

/// Whoever reads standard error may be slow: lines are written on a thread that nothing else waits for.
async fn write(mut waiting: mpsc::Receiver<Line>, closing: CancellationToken) {
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
        let lines = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        let _written = spawn_blocking(move || std::io::stderr().write_all(&text(&lines))).await;
    }
}

fn text(lines: &[Line]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.len() * 512);
    for line in lines {
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.push(b'\n');
        }
    }
    text
}
