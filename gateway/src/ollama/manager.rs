//! The models of an Ollama server: what is there, and bringing, making, loading and removing them.

use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use kubemate_wire::ollama::{CreateRequest, OllamaError, PullRequest, RunningList, ShowResponse, Tags};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::root;
use crate::{
    api::ApiError,
    config::{Secret, UpstreamConfig, UpstreamKind},
    models::Freight,
    routing::Routes,
};

/// Longest answer that is no stream; a model in detail names all of its tokens.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// One Ollama server, spoken to as its operator.
#[derive(Debug)]
pub(crate) struct Manager {
    name: String,
    root: String,
    authorization: Option<HeaderValue>,
    freight: Freight,
    patience: Duration,
}

impl Manager {
    /// The manager of the upstream called `name`.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Invalid` when it is not an Ollama.
    pub(crate) fn of(routes: &Routes, name: &str) -> Result<Self, ApiError> {
        let found =
            routes.upstream(name).ok_or_else(|| ApiError::NotFound { kind: "upstream", id: name.to_owned() })?;
        let found = &found.config;
        if found.kind != UpstreamKind::Ollama {
            let message = format!("upstream `{name}` is no Ollama; only an Ollama's models are managed from here");
            return Err(ApiError::invalid("upstream", message));
        }
        Self::new(found).map_err(ApiError::Internal)
    }

    fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let key = config.api_key.as_ref().map(Secret::reveal).transpose().map_err(anyhow::Error::msg)?.flatten();
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}"))).transpose();
        let mut authorization = authorization.context("`api_key` holds characters no header takes")?;
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self {
            name: config.name.clone(),
            root: root(config.base_url.as_deref().unwrap_or_default()).to_owned(),
            authorization,
            freight: Freight::new(config.connect_timeout)?,
            patience: config.first_byte_timeout,
        })
    }

    /// The models that are there.
    ///
    /// # Errors
    /// `Upstream` when the server does not answer, as with all that follow.
    pub(crate) async fn list(&self) -> Result<Tags, ApiError> {
        self.read(self.call(Method::GET, "/api/tags", Body::empty()).await?).await
    }

    /// The models that are in memory.
    ///
    /// # Errors
    /// As [`Manager::list`].
    pub(crate) async fn running(&self) -> Result<RunningList, ApiError> {
        self.read(self.call(Method::GET, "/api/ps", Body::empty()).await?).await
    }

    /// A model in detail.
    ///
    /// # Errors
    /// As [`Manager::list`], and `NotFound`.
    pub(crate) async fn show(&self, model: &str) -> Result<ShowResponse, ApiError> {
        self.read(self.send(Method::POST, "/api/show", &json!({"model": model})).await?).await
    }

    /// Fetches a model; the answer reports as it goes.
    ///
    /// # Errors
    /// As [`Manager::list`]. What fails later is told in the report.
    pub(crate) async fn pull(&self, request: &PullRequest) -> Result<Response<Incoming>, ApiError> {
        self.send(Method::POST, "/api/pull", &PullRequest { stream: Some(true), ..request.clone() }).await
    }

    /// Makes a model; the answer reports as it goes.
    ///
    /// # Errors
    /// As [`Manager::pull`].
    pub(crate) async fn create(&self, request: &CreateRequest) -> Result<Response<Incoming>, ApiError> {
        self.send(Method::POST, "/api/create", &CreateRequest { stream: Some(true), ..request.clone() }).await
    }

    /// Whether a file with this digest was sent before.
    ///
    /// # Errors
    /// As [`Manager::list`].
    pub(crate) async fn has_blob(&self, digest: &str) -> Result<bool, ApiError> {
        match self.call(Method::HEAD, &format!("/api/blobs/{digest}"), Body::empty()).await {
            Ok(_) => Ok(true),
            Err(ApiError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a file. The server refuses one that has another digest.
    ///
    /// # Errors
    /// As [`Manager::list`], and `Invalid`.
    pub(crate) async fn send_blob(&self, digest: &str, file: Body) -> Result<(), ApiError> {
        self.call(Method::POST, &format!("/api/blobs/{digest}"), file).await.map(drop)
    }

    /// Brings a model into memory; `keep_alive` as [`kubemate_wire::ollama::KeepAlive`].
    ///
    /// # Errors
    /// As [`Manager::show`].
    pub(crate) async fn load(&self, model: &str, keep_alive: Option<&Value>) -> Result<(), ApiError> {
        let mut body: Map<String, Value> =
            [("model".to_owned(), model.into()), ("stream".to_owned(), false.into())].into_iter().collect();
        body.extend(keep_alive.map(|time| ("keep_alive".to_owned(), time.clone())));
        match self.send(Method::POST, "/api/generate", &body).await {
            // Embedders do not generate: they load when they embed nothing.
            Err(ApiError::Invalid { .. }) => {
                body.insert("input".to_owned(), json!([]));
                self.send(Method::POST, "/api/embed", &body).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// Takes a model out of memory.
    ///
    /// # Errors
    /// As [`Manager::show`].
    pub(crate) async fn unload(&self, model: &str) -> Result<(), ApiError> {
        self.load(model, Some(&json!(0))).await
    }

    /// Removes a model from the server's disk.
    ///
    /// # Errors
    /// As [`Manager::show`].
    pub(crate) async fn delete(&self, model: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, "/api/delete", &json!({"model": model})).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Response<Incoming>, ApiError> {
        let body = serde_json::to_vec(body).map_err(ApiError::internal)?;
        self.call(method, path, Body::from(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Body) -> Result<Response<Incoming>, ApiError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.root));
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(body).map_err(ApiError::internal)?;
        let late = || self.failed(StatusCode::GATEWAY_TIMEOUT, "did not begin to answer in time");
        let answered = tokio::time::timeout(self.patience, self.freight.send(request)).await.map_err(|_| late())?;
        let answered = answered.map_err(|error| self.failed(StatusCode::BAD_GATEWAY, &error))?;
        if answered.status().is_success() { Ok(answered) } else { Err(self.refusal(answered).await) }
    }

    /// The server's own words for what its operator did wrong.
    async fn refusal(&self, answered: Response<Incoming>) -> ApiError {
        let status = answered.status();
        let words = self.whole(answered).await.ok();
        let words = words.and_then(|body| serde_json::from_slice::<OllamaError>(&body).ok()).map(|told| told.error);
        match (status, words) {
            (StatusCode::NOT_FOUND, words) => {
                ApiError::NotFound { kind: "model", id: words.unwrap_or_else(|| self.name.clone()) }
            }
            (status, Some(message)) if status.is_client_error() => {
                ApiError::Invalid { message, param: None, code: None }
            }
            (_, Some(message)) => self.told(&message),
            (status, None) => self.failed(StatusCode::BAD_GATEWAY, status.as_str()),
        }
    }

    async fn whole(&self, answered: Response<Incoming>) -> Result<Bytes, ApiError> {
        let collected = Limited::new(answered.into_body(), MAX_ANSWER).collect().await;
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
        Ok(collected.map_err(|error| self.failed(StatusCode::BAD_GATEWAY, &broken(error)))?.to_bytes())
    }

    async fn read<T: DeserializeOwned>(&self, answered: Response<Incoming>) -> Result<T, ApiError> {
        let body = self.whole(answered).await?;
        serde_json::from_slice(&body).map_err(|error| self.failed(StatusCode::BAD_GATEWAY, &error.to_string()))
    }

    /// What the server said of its own failure; its operator may read it.
    pub(crate) fn told(&self, words: &str) -> ApiError {
        let what = format!("says: {words}");
        ApiError::Upstream { upstream: self.name.clone(), what, status: StatusCode::BAD_GATEWAY }
    }

    fn failed(&self, status: StatusCode, cause: &str) -> ApiError {
        tracing::warn!(upstream.name = %self.name, error = %cause, "upstream `{}` failed", self.name);
        let what = if status == StatusCode::GATEWAY_TIMEOUT { cause } else { "cannot be reached or broke off" };
        ApiError::Upstream { upstream: self.name.clone(), what: what.to_owned(), status }
    }
}
