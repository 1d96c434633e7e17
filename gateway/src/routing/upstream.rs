//! A server elsewhere, and the way to it.

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use tokio::time::Instant;

use super::{
    BodyError, UpstreamBody,
    body::Deadlines,
    budget::RetryBudget,
    clock::now_ms,
    config::{UpstreamConfig, UpstreamKind},
    link::{Link, Pool, Silence},
    meters::Meters,
};
use crate::{api::ApiError, config::Secret, models::egress::Dialer, ollama, telemetry::propagate};

/// Paths whose addresses are made once.
const PATHS: [&str; 6] = ["/chat/completions", "/completions", "/embeddings", "/rerank", "/responses", "/models"];
/// Where servers behind KServe keep OpenAI's API: huggingfaceserver and its vLLM below `/openai`, vLLM's own image not.
const KSERVE_ROOTS: [&str; 2] = ["/openai/v1", "/v1"];
/// How long a KServe upstream that sleeps is waited for: pulling a model's weights into memory takes minutes.
const KSERVE_WAKE: Duration = Duration::from_mins(2);

/// One upstream with its own connections, so that a slow one holds up no other.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) config: UpstreamConfig,
    /// Whether streams are asked for their token counts.
    pub(crate) asks_usage: bool,
    /// Scheme and authority.
    origin: Uri,
    /// What every request carries.
    headers: HeaderMap,
    /// Ways to its API, and which of them is right; more than one only until an answer has told.
    roots: Vec<Root>,
    root: AtomicUsize,
    dialer: Dialer,
    pool: Arc<Pool>,
    deadlines: Deadlines,
    /// How many second tries it is given.
    pub(super) retries: RetryBudget,
    in_flight: AtomicU32,
    /// What the last probe said.
    unwell: AtomicBool,
    /// The models that it lists, when they are imported.
    listed: ArcSwap<Vec<String>>,
    meters: OnceLock<Meters>,
}

/// A prefix and the addresses below it.
#[derive(Debug)]
struct Root {
    prefix: String,
    doors: Vec<(&'static str, Uri)>,
}

impl Root {
    fn new(prefix: &str) -> anyhow::Result<Self> {
        let door = |path: &'static str| Ok((path, format!("{prefix}{path}").parse()?));
        Ok(Self { prefix: prefix.to_owned(), doors: PATHS.into_iter().map(door).collect::<anyhow::Result<_>>()? })
    }

    fn uri(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        match self.doors.iter().find(|(known, _)| *known == path) {
            Some((_, uri)) => Ok(uri.clone()),
            None => format!("{}{path}", self.prefix).parse(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection: the request reached nobody.
    Unreached(String),
    /// The connection broke before the answer began.
    Broke(String),
    /// The answer did not begin in time.
    Late,
    /// The request cannot be sent there as it is.
    Refused(ApiError),
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Stalled(_) | BodyError::TooLong(_) => Self::Late,
            error => Self::Broke(error.to_string()),
        }
    }
}

impl Upstream {
    /// An upstream as configured; nothing is connected yet.
    ///
    /// # Errors
    /// When its secret cannot be read or sent, or its address is not one.
    pub(crate) fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let name = &config.name;
        let base: Uri = config.base_url.as_deref().unwrap_or_default().parse()?;
        let path = base.path().trim_end_matches('/');
        let roots: Vec<&str> = match config.kind {
            UpstreamKind::Kserve if path.is_empty() => KSERVE_ROOTS.to_vec(),
            UpstreamKind::Ollama => vec![ollama::root(path)],
            _ => vec![path],
        };
        let authority = base.authority().with_context(|| format!("`base_url` of upstream `{name}` names no host"))?;
        let origin = format!("{}://{authority}/", base.scheme_str().unwrap_or("http")).parse()?;
        let host = config.host.as_deref().unwrap_or(authority.as_str());
        let secure = base.scheme_str() == Some("https");
        Ok(Self {
            name: name.clone(),
            asks_usage: config.ask_usage,
            origin,
            headers: headers(config, host)?,
            roots: roots.into_iter().map(Root::new).collect::<anyhow::Result<_>>()?,
            root: AtomicUsize::new(0),
            dialer: Dialer::new(config.connect_timeout, secure)?,
            pool: Arc::default(),
            deadlines: Deadlines {
                first: config.first_byte_timeout,
                gap: config.gap_timeout,
                total: config.total_timeout,
            },
            retries: RetryBudget::new(&config.retries),
            in_flight: AtomicU32::new(0),
            unwell: AtomicBool::new(false),
            listed: ArcSwap::default(),
            meters: OnceLock::new(),
            config: config.clone(),
        })
    }

    /// Whether it is spoken to in Ollama's own words.
    pub(crate) fn speaks_ollama(&self) -> bool {
        self.config.kind == UpstreamKind::Ollama
    }

    /// Gets `path` (such as `/models`).
    ///
    /// # Errors
    /// `Upstream` 502 when it cannot be reached, 504 when it does not begin in time.
    pub(crate) async fn get(&self, path: &str) -> Result<Response<UpstreamBody>, ApiError> {
        // An Ollama lists its models for OpenAI's clients, too.
        let path = if self.speaks_ollama() { Cow::from(format!("/v1{path}")) } else { Cow::from(path) };
        self.call(Method::GET, &path, Bytes::new()).await.map_err(|failure| self.told(failure))
    }

    /// Posts `body` to `path` (such as `/chat/completions`) and waits for the head of the answer. Everything that is
    /// particular to a kind of upstream belongs behind this door: a body in OpenAI's shape goes in, an answer in OpenAI's
    /// shape comes out.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(crate) async fn exchange(&self, path: &str, body: Bytes) -> Result<Response<UpstreamBody>, Failure> {
        if self.speaks_ollama() {
            let native = ollama::native(path, &body).map_err(Failure::Refused)?;
            let answered = self.call(Method::POST, native.path, native.body).await?;
            return Ok(ollama::open(native.reading, answered).await?);
        }
        self.call(Method::POST, path, body).await
    }

    /// Sends, and finds out below which prefix the API is as long as that is open.
    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Response<UpstreamBody>, Failure> {
        let at = self.root.load(Relaxed);
        let response = self.request(at, method.clone(), path, body.clone()).await?;
        let other = at + 1;
        if response.status() != StatusCode::NOT_FOUND || other >= self.roots.len() {
            return Ok(response);
        }
        let second = self.request(other, method, path, body).await?;
        if second.status() == StatusCode::NOT_FOUND {
            return Ok(response);
        }
        self.root.store(other, Relaxed);
        Ok(second)
    }

    async fn request(
        &self,
        root: usize,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<UpstreamBody>, Failure> {
        let refused = |error: anyhow::Error| Failure::Refused(ApiError::Internal(error));
        let root = self.roots.get(root).context("an upstream has a root").map_err(refused)?;
        let uri = root.uri(path).map_err(|error| refused(error.into()))?;
        let request = |body: Bytes| {
            let mut request = Request::new(Full::new(body));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = self.headers.clone();
            propagate(&self.origin, request.headers_mut());
            request
        };
        let sent = Instant::now();
        if let Some(link) = self.pool.take().await {
            match self.send(link, request(body.clone()), sent).await {
                Err(Silence::Broke(error)) if self.may_be_stale(&error) => {}
                outcome => return outcome.map_err(failure),
            }
        }
        let wire = self.dialer.dial(self.origin.clone()).await.map_err(Failure::Unreached)?;
        self.meters().connected();
        let link = Link::new(wire).await.map_err(|error| Failure::Unreached(error.to_string()))?;
        self.send(link, request(body), sent).await.map_err(failure)
    }

    /// Whether a connection that was kept broke because the other side had closed it meanwhile. The request may have
    /// been read before, so that sending it again is a second try.
    fn may_be_stale(&self, error: &hyper::Error) -> bool {
        error.is_canceled() || (is_end(error) && self.retries.withdraw(now_ms()))
    }

    async fn send(
        &self,
        mut link: Link,
        request: Request<Full<Bytes>>,
        sent: Instant,
    ) -> Result<Response<UpstreamBody>, Silence> {
        link.arm(self.deadlines.soonest());
        let response = link.send(request, sent + self.deadlines.first).await?;
        let timing = (sent, self.deadlines);
        Ok(response.map(|incoming| UpstreamBody::plain(incoming, link, self.pool.clone(), timing)))
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

    /// What the client is told of a failure.
    pub(super) fn told(&self, failure: Failure) -> ApiError {
        match failure {
            Failure::Unreached(cause) | Failure::Broke(cause) => self.failed(StatusCode::BAD_GATEWAY, &cause),
            Failure::Late => self.failed(StatusCode::GATEWAY_TIMEOUT, "did not begin to answer in time"),
            Failure::Refused(error) => error,
        }
    }
}

/// Its standing, as the room sees it.
impl Upstream {
    /// Answers under way, of all its models.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether its last probe failed.
    pub(super) fn is_unwell(&self) -> bool {
        self.unwell.load(Relaxed)
    }

    /// Notes what a probe said; whether that is news.
    pub(super) fn probed(&self, well: bool) -> bool {
        self.unwell.swap(!well, Relaxed) == well
    }

    /// How long it is waited for when it sleeps.
    pub(super) fn wake_timeout(&self) -> Duration {
        let usual = if self.config.kind == UpstreamKind::Kserve { KSERVE_WAKE } else { Duration::ZERO };
        self.config.wake_timeout.unwrap_or(usual)
    }

    /// The models that it listed when it was last asked.
    pub(super) fn listed(&self) -> Arc<Vec<String>> {
        self.listed.load_full()
    }

    /// Keeps a list of models; whether it is another than before.
    pub(super) fn list(&self, models: Vec<String>) -> bool {
        let news = **self.listed.load() != models;
        if news {
            self.listed.store(Arc::new(models));
        }
        news
    }

    /// Whether its secret is still what it was read as.
    pub(super) fn has_current_secret(&self) -> bool {
        authorization(&self.config).is_ok_and(|now| now.as_ref() == self.headers.get(header::AUTHORIZATION))
    }

    /// Made at the first use: thousands of upstreams may be configured and few used.
    pub(super) fn meters(&self) -> &Meters {
        self.meters.get_or_init(|| Meters::new(&self.name))
    }

    /// What has to be done now and then: connections closed that nobody uses, gauges set.
    pub(super) fn tick(&self) {
        self.pool.sweep();
        if let Some(meters) = self.meters.get() {
            meters.in_flight(f64::from(self.in_flight()));
        }
    }
}

/// Made once: what every request carries.
fn headers(config: &UpstreamConfig, host: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::HOST, HeaderValue::from_str(host)?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("kubemate/", env!("CARGO_PKG_VERSION"))));
    if let Some(value) = authorization(config)? {
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

fn authorization(config: &UpstreamConfig) -> anyhow::Result<Option<HeaderValue>> {
    let key = config.api_key.as_ref().map(Secret::reveal).transpose().map_err(anyhow::Error::msg)?.flatten();
    let Some(key) = key else { return Ok(None) };
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .with_context(|| format!("`api_key` of upstream `{}` holds characters no header takes", config.name))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn failure(silence: Silence) -> Failure {
    match silence {
        Silence::Late => Failure::Late,
        Silence::Broke(error) => Failure::Broke(innermost(&error)),
    }
}

/// Whether the other side closed or reset the connection.
fn is_end(error: &hyper::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    error.is_incomplete_message() || error.is_closed()
}

/// The innermost cause: "connection reset by peer" rather than "connection error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
