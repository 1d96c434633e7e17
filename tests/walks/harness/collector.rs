//! A collector of traces: a small OTLP/HTTP receiver of our own that decodes what it gets with OpenTelemetry's published
//! messages. It stands where Jaeger or the OpenTelemetry collector would.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

use super::until;

/// A span that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first span of a trace.
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
    pub(crate) failed: bool,
}

/// Everything that was exported so far.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Seen>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    pub(crate) url: String,
}

impl Collector {
    /// Takes exports on a free port until this process ends.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let collector = Self { url, ..Self::default() };
        let taking = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let taking = taking.clone();
                let service = service_fn(move |request| taking.clone().take(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        collector
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(request.uri().path(), "/v1/traces");
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        self.headers.lock().expect("no panic").push(request.headers().clone());
        let body = request.into_body().collect().await.expect("a whole body").to_bytes();
        let export = ExportTraceServiceRequest::decode(body).expect("OTLP");
        let spans = export.resource_spans.into_iter().flat_map(|resource| {
            let service = resource.resource.expect("a resource").attributes;
            assert!(service.iter().any(|pair| pair.key == "service.name"), "{service:?}");
            resource.scope_spans.into_iter().flat_map(|scope| scope.spans)
        });
        self.spans.lock().expect("no panic").extend(spans.map(seen));
        Ok(Response::new(Full::default()))
    }

    /// Waits for a span with this name, and for those that end after it in its trace.
    pub(crate) async fn trace(&self, name: &str, spans: usize) -> Vec<Seen> {
        until(&format!("the trace of `{name}` with {spans} spans"), Duration::from_secs(60), async || {
            let all = self.spans.lock().expect("no panic").clone();
            let trace = &all.iter().find(|span| span.name == name)?.trace;
            let same: Vec<Seen> = all.iter().filter(|span| span.trace == *trace).cloned().collect();
            (same.len() >= spans).then_some(same)
        })
        .await
    }

    /// The headers of each export.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.headers.lock().expect("no panic").clone()
    }
}

fn seen(span: Span) -> Seen {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = span.attributes.into_iter();
    Seen {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: pairs.map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect(),
        events: span.events.into_iter().map(|event| event.name).collect(),
        failed: span.status.is_some_and(|status| status.code == 2),
    }
}
