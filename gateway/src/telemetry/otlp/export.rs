//! The way of finished spans to the collector: a bounded queue, one task, the gateway's one egress. What cannot leave is
//! counted and let go; no request waits for it.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use metrics::{Counter, counter};
use opentelemetry::Context;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::models::Egress;

/// Finished spans that may wait.
const WAITING: usize = 8192;
/// Spans sent at once. Source: the batch processor of the OpenTelemetry specification.
const BATCH: usize = 512;
/// How long the first span of a batch waits for more.
const GATHER: Duration = Duration::from_secs(1);
/// How often a loss is told.
const TELL: Duration = Duration::from_secs(60);
/// Longest answer of a collector that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest wait for a connection to the collector.
const CONNECT: Duration = Duration::from_secs(5);

/// The collector, reached through the gateway's own way out.
#[derive(Debug)]
pub(super) struct Collector {
    egress: Egress,
    headers: HeaderMap,
    timeout: Duration,
}

impl Collector {
    pub(super) fn new(headers: HeaderMap, timeout: Duration) -> anyhow::Result<Self> {
        Ok(Self { egress: Egress::new(CONNECT.min(timeout))?, headers, timeout })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = request.map(Full::new);
        request.headers_mut().extend(self.headers.clone());
        let sent = async {
            let (head, body) = self.egress.send(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        timeout(self.timeout, sent).await?
    }
}

/// Takes finished spans from requests.
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    dropped: Counter,
}

impl Queue {
    /// Starts the task that sends; it ends when `closing` is cancelled and everything that waited was tried.
    pub(super) fn start<E: SpanExporter + 'static>(
        mut exporter: E,
        resource: &Resource,
        tasks: &TaskTracker,
        closing: CancellationToken,
    ) -> Self {
        exporter.set_resource(resource);
        let (spans, waiting) = mpsc::channel(WAITING);
        let dropped = |why: &'static str| counter!("kubemate_spans_dropped_total", "why" => why);
        let losses = Losses { dropped: dropped("collector"), untold: 0, told: None };
        tasks.spawn(run(exporter, waiting, closing, losses));
        Self { spans, dropped: dropped("queue") }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.dropped.increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

async fn run<E: SpanExporter>(
    exporter: E,
    mut waiting: mpsc::Receiver<SpanData>,
    closing: CancellationToken,
    mut losses: Losses,
) {
    while let Some(batch) = gather(&mut waiting, &closing).await {
        let spans = batch.len() as u64;
        if let Err(error) = exporter.export(batch).await {
            losses.add(spans, &error);
        }
    }
}

/// The next spans to send, as soon as there are enough or the first has waited long enough; `None` at the end.
async fn gather(waiting: &mut mpsc::Receiver<SpanData>, closing: &CancellationToken) -> Option<Vec<SpanData>> {
    let mut batch = Vec::new();
    let mut until = None;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        let due = async { sleep_until(until.unwrap_or_else(Instant::now)).await };
        tokio::select! {
            biased;
            () = closing.cancelled(), if !waiting.is_closed() => waiting.close(),
            taken = waiting.recv_many(&mut batch, room) => match taken {
                0 => break,
                _ => until = until.or_else(|| Some(Instant::now() + GATHER)),
            },
            () = due, if until.is_some() => break,
        }
    }
    Some(batch).filter(|batch| !batch.is_empty())
}

/// Spans that the collector did not take.
struct Losses {
    dropped: Counter,
    untold: u64,
    told: Option<Instant>,
}

impl Losses {
    fn add(&mut self, spans: u64, error: &impl fmt::Display) {
        self.dropped.increment(spans);
        self.untold += spans;
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            tracing::warn!(spans = self.untold, error = %error, "the collector of traces did not take them");
            (self.untold, self.told) = (0, Some(Instant::now()));
        }
    }
}
