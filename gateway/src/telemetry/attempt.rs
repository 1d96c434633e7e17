//! One try of one upstream: how long it took to begin, or to fail.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, Response, StatusCode, Uri};
use opentelemetry::trace::{SpanBuilder, SpanKind};

use super::{
    request::{Request, current},
    series,
    trace::Span,
};

/// A try under way. Hold it until the upstream's answer has begun or failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    begun: Instant,
    series: Arc<series::CallSeries>,
    request: Option<Arc<Request>>,
    span: Span,
}

impl Attempt {
    /// `upstream` is tried for `model`, the name that the client asked for.
    pub(crate) fn begin(model: &str, upstream: &str) -> Self {
        let series = series::calls(model, upstream);
        let request = current();
        let span = request.as_ref().map(|request| {
            request.asks(&series);
            let span = request.trace().span(|| SpanBuilder::from_name("POST").with_kind(SpanKind::Client));
            span.note("http.request.method", || "POST");
            span.note("kubemate.upstream", || upstream.to_owned());
            request.trace().leave_by(&span);
            span
        });
        Self { begun: Instant::now(), series, request, span: span.unwrap_or_default() }
    }

    /// Ends with how it came out, and hands that on.
    pub(crate) fn watch<B, E>(self, outcome: Result<Response<B>, E>) -> Result<Response<B>, E> {
        match &outcome {
            Ok(answered) => self.answered(answered.status()),
            Err(_) => self.span.failed(|| "unreachable".into()),
        }
        outcome
    }

    fn answered(&self, status: StatusCode) {
        self.span.note("http.response.status_code", || i64::from(status.as_u16()));
        if status.is_client_error() || status.is_server_error() {
            self.span.failed(|| status.as_str().to_owned().into());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let spent = self.begun.elapsed();
        self.series.upstream.record(series::micros(spent));
        if let Some(request) = &self.request {
            request.waited(spent);
        }
    }
}

/// Tells an upstream which trace its work belongs to, and the trace which server that is.
pub(crate) fn propagate(server: &Uri, headers: &mut HeaderMap) {
    if let Some(request) = current() {
        request.trace().tell_address(server);
        request.trace().propagate(headers);
    }
}

/// The search for passages that a question is answered from, while it is held.
#[derive(Debug)]
pub(crate) struct Retrieval(#[expect(dead_code, reason = "held for its drop")] Option<Span>);

impl Retrieval {
    /// A search of these vector stores. Source: GenAI conventions 0.1, "Retrievals".
    pub(crate) fn begin(stores: &[String]) -> Self {
        Self(current().map(|request| {
            let span = request.trace().span(|| SpanBuilder::from_name("retrieval").with_kind(SpanKind::Internal));
            span.note("gen_ai.operation.name", || "retrieval");
            span.note("gen_ai.data_source.id", || stores.join(","));
            span
        }))
    }
}
