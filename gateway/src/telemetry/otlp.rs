//! Traces over OTLP/HTTP, off unless an endpoint is configured. Spans hold names, numbers and ids, never contents.

mod export;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::{InstrumentationScope, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::export::{Collector, Queue};
use crate::config::Secret;

/// The path of traces below a collector's root. Source: OTLP specification 1.7, "OTLP/HTTP request".
const PATH: &str = "/v1/traces";

/// Where traces go.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtlpConfig {
    /// Root of an OTLP/HTTP collector, such as `http://127.0.0.1:4318`; no spans are made without it.
    pub(crate) endpoint: Option<String>,
    /// Headers of each export, such as a key of the collector.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// Share of the requests that begin a trace here, 0 to 1; a caller's trace is followed as the caller decided.
    pub(crate) sample_ratio: f64,
    /// Longest wait for the collector to take a batch.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self { endpoint: None, headers: BTreeMap::new(), sample_ratio: 1.0, timeout: Duration::from_secs(10) }
    }
}

impl OtlpConfig {
    /// The rules that no type can hold.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(format!("`telemetry.otlp.sample_ratio` is {}; it takes 0 to 1", self.sample_ratio));
        }
        let usable = |url: &String| {
            let uri = url.parse::<Uri>().ok();
            uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none())
        };
        match &self.endpoint {
            Some(url) if !usable(url) => {
                Err(format!("`telemetry.otlp.endpoint` is `{url}`; it must look like http://host:4318"))
            }
            _ => Ok(()),
        }
    }

    /// Collectors are named by their root or by the full path of their traces.
    fn url(&self, endpoint: &str) -> String {
        let root = endpoint.trim_end_matches('/');
        if root.ends_with(PATH) { root.to_owned() } else { format!("{root}{PATH}") }
    }

    fn headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, secret) in &self.headers {
            let Some(value) = secret.reveal().map_err(anyhow::Error::msg)? else { continue };
            let name: HeaderName = name.parse().with_context(|| format!("`telemetry.otlp.headers.{name}`"))?;
            let mut value: HeaderValue = value.parse().with_context(|| format!("`telemetry.otlp.headers.{name}`"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// Makes spans as configured; `None` when nothing is.
///
/// # Errors
/// When a header's secret cannot be read or sent.
pub(super) fn start(
    config: &OtlpConfig,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> anyhow::Result<Option<SdkTracer>> {
    let Some(endpoint) = &config.endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(Collector::new(config.headers()?, config.timeout)?)
        .with_retry_policy(RetryPolicy::disabled()) // a retry of the crate sleeps on a thread of the server
        .with_endpoint(config.url(endpoint))
        .with_timeout(config.timeout)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("kubemate")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio))))
        .with_span_processor(Queue::start(exporter, &resource, tasks, closing.clone()))
        .with_resource(resource)
        .build();
    let scope = InstrumentationScope::builder("kubemate").with_version(env!("CARGO_PKG_VERSION")).build();
    Ok(Some(provider.tracer_with_scope(scope)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_root_or_its_path() {
        let config = OtlpConfig::default();
        for named in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(config.url(named), "http://c:4318/v1/traces");
        }
        assert_eq!(config.url("https://c/otlp"), "https://c/otlp/v1/traces");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let with = |endpoint: &str, sample_ratio| OtlpConfig {
            endpoint: Some(endpoint.to_owned()),
            sample_ratio,
            ..OtlpConfig::default()
        };
        assert!(with("http://127.0.0.1:4318", 0.1).check().is_ok());
        assert!(with("http://127.0.0.1:4318", 1.1).check().unwrap_err().contains("sample_ratio"));
        for bad in ["127.0.0.1:4318", "grpc://c:4317", "http://c?x"] {
            assert!(with(bad, 1.0).check().unwrap_err().contains("endpoint"), "{bad}");
        }
    }
}
