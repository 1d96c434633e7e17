//! The request that is being answered: known to everything that runs for it, without being handed through.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::extract::{MatchedPath, Request as HttpRequest};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::{
    Telemetry,
    request_log::RequestLog,
    series::{self, CallSeries, micros},
    trace::Trace,
};

/// The header that names a request, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: Arc<Request>;
}

/// The id that ties a request to its log lines, audit rows and usage.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's id when it is harmless, else a new one.
    fn from_headers(headers: &HeaderMap) -> Self {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_harmless(id));
        Self(sent.map_or_else(made, Arc::from))
    }

    /// As it is sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn made() -> Arc<str> {
    Arc::from(kubemate_ledger::new_id("req_"))
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The pattern that a request's path fits.
#[derive(Clone, Debug)]
enum Route {
    Known(&'static str),
    Matched(MatchedPath),
}

/// A request at a door. It is over when the last part of its answer has left.
#[derive(Debug)]
pub(crate) struct Request {
    id: RequestId,
    method: Method,
    route: Option<Route>,
    begun: Instant,
    /// Nanoseconds spent waiting for upstreams to begin.
    upstream: AtomicU64,
    trace: Trace,
    telemetry: Telemetry,
    /// What was asked last of those that may answer.
    asked: Mutex<Option<Arc<CallSeries>>>,
    /// How often an upstream was asked.
    attempts: AtomicU32,
}

impl Request {
    /// A request whose head has arrived; the router's route unless `route` is known otherwise.
    pub(crate) fn begin(request: &HttpRequest, telemetry: &Telemetry, route: Option<&'static str>) -> Arc<Self> {
        let begun = Instant::now();
        series::in_flight().increment(1.0);
        let id = RequestId::from_headers(request.headers());
        let route = route.map(Route::Known).or_else(|| request.extensions().get().cloned().map(Route::Matched));
        let trace = Trace::begin(telemetry.tracer(), request, pattern(route.as_ref()), id.as_str());
        Arc::new(Self {
            id,
            method: request.method().clone(),
            route,
            begun,
            upstream: AtomicU64::default(),
            trace,
            telemetry: telemetry.clone(),
            asked: Mutex::new(None),
            attempts: AtomicU32::default(),
        })
    }

    /// Runs `work` for this request.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), work).await
    }

    /// Its id.
    pub(crate) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Its method.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The route's pattern, never the path itself: ids would make a time series each.
    pub(crate) fn route(&self) -> &str {
        pattern(self.route.as_ref())
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn log(&self) -> &RequestLog {
        self.telemetry.log()
    }

    /// Time spent waiting for upstreams to begin, so far.
    pub(super) fn upstream(&self) -> Duration {
        Duration::from_nanos(self.upstream.load(Ordering::Relaxed))
    }

    /// Since its head arrived.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The head of its answer is on the way; a stream may follow.
    pub(crate) fn answered(&self, status: StatusCode) {
        let spent = self.elapsed();
        series::answered(&self.method, self.route(), status, spent);
        self.trace.answered(status);
        let upstream = self.upstream();
        if let Some(series) = self.asked().filter(|_| !upstream.is_zero()) {
            series.added.record(micros(spent.saturating_sub(upstream)));
        }
    }

    /// Somebody was asked to answer it.
    pub(super) fn asks(&self, series: &Arc<CallSeries>) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(series.clone());
    }

    /// Who was asked last.
    pub(super) fn asked(&self) -> Option<Arc<CallSeries>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often upstreams were asked.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// An upstream took so long to begin, or to fail.
    pub(super) fn waited(&self, spent: Duration) {
        let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.upstream.fetch_add(nanos, Ordering::Relaxed);
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }
}

fn pattern(route: Option<&Route>) -> &str {
    match route {
        Some(Route::Known(route)) => route,
        Some(Route::Matched(path)) => path.as_str(),
        None => "unmatched",
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        series::in_flight().decrement(1.0);
    }
}

/// The request that this code runs for, if it runs for one.
pub(crate) fn current() -> Option<Arc<Request>> {
    CURRENT.try_with(Arc::clone).ok()
}
