//! The trace of one request: its spans when there is a collector, else only the caller's context on its way to upstreams.
//!
//! Names and attributes follow OpenTelemetry's HTTP conventions and the GenAI conventions 0.1 (the repository
//! `semantic-conventions-genai`, split off from version 1.41 of the general ones).

use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::extract::Request as HttpRequest;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::TextMapPropagator,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits. Source: W3C Trace Context, "traceparent header".
const TRACEPARENT_LENGTH: usize = 55;
/// Vendors must pass on at least this much of a state; more is not ours to carry. Source: W3C Trace Context.
const MAX_TRACESTATE: usize = 512;

/// What of a trace belongs to a request.
#[derive(Debug)]
pub(super) enum Trace {
    /// No spans are made; a caller's context is handed on as it came.
    Carried(Option<(HeaderValue, Option<HeaderValue>)>),
    /// Spans are made.
    Spans(Box<Spans>),
}

#[derive(Debug)]
pub(super) struct Spans {
    tracer: SdkTracer,
    server: Context,
    /// What new spans are below.
    parent: Mutex<Context>,
    /// What upstreams are told to be below.
    outgoing: Mutex<Context>,
}

impl Trace {
    /// The trace of a request whose head has arrived.
    pub(super) fn begin(tracer: Option<&SdkTracer>, request: &HttpRequest, route: &str, id: &str) -> Self {
        match tracer {
            Some(tracer) if !matches!(route, "/healthz" | "/readyz" | "/metrics") => {
                Self::Spans(Box::new(Spans::begin(tracer, request, route, id)))
            }
            _ => Self::Carried(carried(request.headers())),
        }
    }

    /// A span below what is under way; `build` is not called when none is made.
    pub(super) fn span(&self, build: impl FnOnce() -> SpanBuilder) -> Span {
        match self {
            Self::Carried(_) => Span(None),
            Self::Spans(spans) => {
                let parent = lock(&spans.parent).clone();
                Span(Some(parent.with_span(spans.tracer.build_with_context(build(), &parent))))
            }
        }
    }

    /// New spans and upstreams are below `span` from now on.
    pub(super) fn enter(&self, span: &Span) {
        if let (Self::Spans(spans), Some(context)) = (self, &span.0) {
            *lock(&spans.parent) = context.clone();
            *lock(&spans.outgoing) = context.clone();
        }
    }

    /// The next request to an upstream is below `span`.
    pub(super) fn leave_by(&self, span: &Span) {
        if let (Self::Spans(spans), Some(context)) = (self, &span.0) {
            *lock(&spans.outgoing) = context.clone();
        }
    }

    /// The server that is asked next. Both its own span and the call above it name it.
    pub(super) fn tell_address(&self, server: &Uri) {
        let Self::Spans(spans) = self else { return };
        let Some(host) = server.host() else { return };
        let usual = if server.scheme_str() == Some("https") { 443 } else { 80 };
        let port = i64::from(server.port_u16().unwrap_or(usual));
        for context in [&spans.parent, &spans.outgoing] {
            let address = [KeyValue::new("server.address", host.to_owned()), KeyValue::new("server.port", port)];
            lock(context).span().set_attributes(address);
        }
    }

    /// Tells an upstream what its part of the trace is below.
    pub(super) fn propagate(&self, headers: &mut HeaderMap) {
        match self {
            Self::Carried(None) => {}
            Self::Carried(Some((parent, state))) => {
                headers.insert(TRACEPARENT, parent.clone());
                if let Some(state) = state {
                    headers.insert(TRACESTATE, state.clone());
                }
            }
            Self::Spans(spans) => {
                let outgoing = lock(&spans.outgoing).clone();
                TraceContextPropagator::new().inject_context(&outgoing, &mut HeaderInjector(headers));
                if headers.get(TRACESTATE).is_some_and(HeaderValue::is_empty) {
                    headers.remove(TRACESTATE);
                }
            }
        }
    }

    /// The head of the request's answer is on the way.
    pub(super) fn answered(&self, status: StatusCode) {
        if let Self::Spans(spans) = self {
            let span = spans.server.span();
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
            if status.is_server_error() {
                span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
                span.set_status(Status::error(""));
            }
        }
    }
}

impl Spans {
    fn begin(tracer: &SdkTracer, request: &HttpRequest, route: &str, id: &str) -> Self {
        let caller =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(request.headers()));
        let method = request.method().as_str().to_owned();
        let builder = tracer.span_builder(format!("{method} {route}")).with_kind(SpanKind::Server).with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("kubemate.request.id", id.to_owned()),
        ]);
        let server = caller.with_span(tracer.build_with_context(builder, &caller));
        Self {
            tracer: tracer.clone(),
            parent: Mutex::new(server.clone()),
            outgoing: Mutex::new(server.clone()),
            server,
        }
    }
}

impl Drop for Spans {
    /// The last part of the answer has left.
    fn drop(&mut self) {
        self.server.span().end();
    }
}

fn lock(context: &Mutex<Context>) -> MutexGuard<'_, Context> {
    context.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A caller's context when it has the published form; anything else is not handed on.
fn carried(headers: &HeaderMap) -> Option<(HeaderValue, Option<HeaderValue>)> {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    let parent = sent.next().filter(|value| is_traceparent(value.as_bytes()))?;
    let state = headers.get(TRACESTATE).filter(|state| state.len() <= MAX_TRACESTATE && state.to_str().is_ok());
    sent.next().is_none().then(|| (parent.clone(), state.cloned()))
}

fn is_traceparent(value: &[u8]) -> bool {
    let dashes = [2, 35, 52];
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = |(at, byte): (usize, &u8)| if dashes.contains(&at) { *byte == b'-' } else { digit(*byte) };
    value.len() == TRACEPARENT_LENGTH && value.starts_with(b"00-") && value.iter().enumerate().all(fits)
}

/// A span that ends when it is dropped, or none.
#[derive(Debug, Default)]
pub(super) struct Span(Option<Context>);

impl Span {
    /// Notes something; `value` is not called when there is no span.
    pub(super) fn note<V: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value().into()));
        }
    }

    /// Something happened.
    pub(super) fn event(&self, name: &'static str) {
        if let Some(context) = &self.0 {
            context.span().add_event(name, Vec::new());
        }
    }

    /// It did not end well: an HTTP status, or a word for what went wrong.
    pub(super) fn failed(&self, kind: impl FnOnce() -> Cow<'static, str>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", kind()));
            context.span().set_status(Status::error(""));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn through(sent: &[(&'static str, &str)]) -> HeaderMap {
        let mut request = HttpRequest::new(axum::body::Body::empty());
        for (name, value) in sent {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let mut headers = HeaderMap::new();
        Trace::begin(None, &request, "/v1/chat/completions", "req_1").propagate(&mut headers);
        headers
    }

    #[test]
    fn without_a_collector_the_callers_context_passes_through() {
        let headers = through(&[("traceparent", PARENT), ("tracestate", "vendor=1")]);
        assert_eq!(
            (&headers[TRACEPARENT], &headers[TRACESTATE]),
            (&PARENT.parse().unwrap(), &"vendor=1".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_context_does_not_pass() {
        let upper = PARENT.to_uppercase();
        let long = format!("{PARENT}-00");
        for bad in ["", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", &upper, &long] {
            assert!(through(&[("traceparent", bad), ("tracestate", "vendor=1")]).is_empty(), "{bad}");
        }
        assert!(through(&[("traceparent", PARENT), ("traceparent", PARENT)]).is_empty(), "two are none");
        assert!(through(&[("tracestate", "vendor=1")]).is_empty());
    }
}
