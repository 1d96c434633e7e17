//! A server elsewhere that speaks OpenAI's API.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tokio::time::timeout;

use super::UpstreamBody;
use crate::{
    api::ApiError,
    config::{Secret, UpstreamConfig, UpstreamKind},
    models::{Egress, egress::reason},
    telemetry::Attempt,
};

/// One upstream with its own connections, so that a slow one holds up no other.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    kind: UpstreamKind,
    base: String,
    authorization: Option<HeaderValue>,
    first_byte: Duration,
    /// Whether streams are asked for their token counts.
    pub(crate) asks_usage: bool,
    egress: Egress,
}

impl Upstream {
    /// An upstream as configured; nothing is connected yet.
    ///
    /// # Errors
    /// When its secret cannot be read or sent.
    pub(crate) fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let key = config.api_key.as_ref().map(Secret::reveal).transpose().map_err(anyhow::Error::msg)?.flatten();
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}"))).transpose();
        let mut authorization = authorization
            .with_context(|| format!("`api_key` of upstream `{}` holds characters no header takes", config.name))?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self {
            name: config.name.clone(),
            kind: config.kind,
            base: config.base_url.clone().unwrap_or_default().trim_end_matches('/').to_owned(),
            authorization,
            first_byte: config.first_byte_timeout,
            asks_usage: config.ask_usage,
            egress: Egress::new(config.connect_timeout)?,
        })
    }

    /// Whether it is spoken to in Ollama's own words.
    pub(crate) fn speaks_ollama(&self) -> bool {
        self.kind == UpstreamKind::Ollama
    }

    /// Gets `path` (such as `/models`).
    ///
    /// # Errors
    /// As [`Upstream::post`].
    pub(crate) async fn get(&self, path: &str) -> Result<Response<UpstreamBody>, ApiError> {
        self.send(Request::get(format!("{}{path}", self.base)), Bytes::new()).await
    }

    /// Posts `body` to `path` (such as `/chat/completions`) and waits for the head of the answer.
    ///
    /// # Errors
    /// `Upstream` 502 when it cannot be reached, 504 when it does not begin in time.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> Result<Response<UpstreamBody>, ApiError> {
        let request = Request::post(format!("{}{path}", self.base)).header(header::CONTENT_TYPE, "application/json");
        self.send(request, body).await
    }

    async fn send(&self, mut request: http::request::Builder, body: Bytes) -> Result<Response<UpstreamBody>, ApiError> {
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body)).map_err(ApiError::internal)?;
        let _until_it_begins = Attempt::begin();
        match timeout(self.first_byte, self.egress.send(request)).await {
            Ok(Ok(response)) => Ok(response.map(UpstreamBody::from)),
            Ok(Err(error)) => Err(self.failed(StatusCode::BAD_GATEWAY, &reason(&error))),
            Err(_) => Err(self.failed(StatusCode::GATEWAY_TIMEOUT, "did not begin to answer in time")),
        }
    }

    /// An error of this upstream; the cause is logged, because it may name addresses.
    pub(crate) fn failed(&self, status: StatusCode, cause: &str) -> ApiError {
        tracing::warn!(upstream.name = %self.name, error = %cause, "upstream `{}` failed", self.name);
        let what = match status {
            StatusCode::GATEWAY_TIMEOUT => "did not begin to answer in time",
            StatusCode::BAD_GATEWAY => "cannot be reached or broke off",
            _ => "refused the request",
        };
        ApiError::Upstream { upstream: self.name.clone(), what: what.to_owned(), status }
    }
}
