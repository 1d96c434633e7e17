//! The server at the other end.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use kubemate_wire::{error::ErrorBody, models::ModelList, page::ListPage, vector_stores::VectorStore};
use serde_json::Value;

use crate::models::Egress;

/// Longest wait for the server to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer that is no stream: a list, or an error.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Longest line of a stream.
const MAX_LINE: usize = 8 * 1024 * 1024;

/// A running server and the key for it.
#[derive(Debug)]
pub(in crate::cli) struct Server {
    root: String,
    authorization: Option<HeaderValue>,
    egress: Egress,
}

impl Server {
    /// A server; nothing is connected yet. `/v1` at the end of its address may be there or not.
    ///
    /// # Errors
    /// When the address is none, or the key cannot be sent.
    pub(in crate::cli) fn new(url: &str, key: Option<&str>) -> anyhow::Result<Self> {
        let root = url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        let uri: Uri = root.parse().with_context(|| format!("`{root}` is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            bail!("`{root}` must look like http://host:port");
        }
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {}", key.trim()))).transpose();
        let mut authorization = authorization.context("the key holds characters that no header takes")?;
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self { root, authorization, egress: Egress::new(CONNECT)? })
    }

    /// Its address.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// The names that can be asked for.
    ///
    /// # Errors
    /// What the server refused, or that it cannot be reached.
    pub(super) async fn models(&self) -> anyhow::Result<Vec<String>> {
        let list: ModelList = self.get("/v1/models").await?;
        Ok(list.data.into_iter().map(|model| model.id).collect())
    }

    /// Ids and names of the newest vector stores.
    ///
    /// # Errors
    /// As [`Server::models`].
    pub(super) async fn stores(&self) -> anyhow::Result<Vec<(String, String)>> {
        let list: ListPage<VectorStore> = self.get("/v1/vector_stores?limit=100").await?;
        Ok(list.data.into_iter().map(|store| (store.id, store.name)).collect())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answered = self.send(Request::get(format!("{}{path}", self.root)), Bytes::new()).await?;
        let body = whole(answered.into_body()).await?;
        serde_json::from_slice(&body).with_context(|| format!("{path} of {} is not Kubemate's", self.root))
    }

    /// Posts a body and reads the answer, which is no stream.
    ///
    /// # Errors
    /// As [`Server::models`].
    pub(in crate::cli) async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        let request = Request::post(format!("{}{path}", self.root)).header(header::CONTENT_TYPE, "application/json");
        let answered = self.send(request, serde_json::to_vec(body)?.into()).await?;
        let body = whole(answered.into_body()).await?;
        serde_json::from_slice(&body).with_context(|| format!("{path} of {} is not Kubemate's", self.root))
    }

    /// Asks for a chat completion.
    ///
    /// # Errors
    /// As [`Server::models`].
    pub(super) async fn chat(&self, body: &Value) -> anyhow::Result<Lines> {
        let request = Request::post(format!("{}/v1/chat/completions", self.root))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        let answered = self.send(request, serde_json::to_vec(body)?.into()).await?;
        Ok(Lines { body: answered.into_body(), buffer: BytesMut::new() })
    }

    async fn send(&self, mut request: http::request::Builder, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answered = self.egress.send(request.body(Full::new(body))?).await;
        let answered =
            answered.with_context(|| format!("{} cannot be reached; does `kubemate serve` run?", self.root))?;
        let status = answered.status();
        if status.is_success() {
            return Ok(answered);
        }
        let body = whole(answered.into_body()).await.unwrap_or_default();
        let told = serde_json::from_slice::<ErrorBody>(&body).ok().map(|body| body.error.message);
        Err(anyhow!("{}", told.unwrap_or_else(|| format!("the server answers {status}"))))
    }
}

async fn whole(body: Incoming) -> anyhow::Result<Bytes> {
    let collected = Limited::new(body, MAX_ANSWER).collect().await;
    Ok(collected.map_err(|error| anyhow!("the answer broke off: {error}"))?.to_bytes())
}

/// The lines of a stream, whole.
pub(super) struct Lines {
    body: Incoming,
    buffer: BytesMut,
}

impl Lines {
    /// The next line without its end; `None` after the last.
    ///
    /// # Errors
    /// When the connection breaks or a line does not end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(searched + at + 1).freeze();
                return Ok(Some(line.slice_ref(line.trim_ascii_end())));
            }
            searched = self.buffer.remaining();
            if searched > MAX_LINE {
                bail!("the server sent a line without an end");
            }
            match self.body.frame().await.transpose().context("the answer broke off")? {
                Some(frame) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }
}
