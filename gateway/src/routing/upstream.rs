//! A server elsewhere, and the way to it.

use std::{
    borrow::Cow,
    fmt,
    io::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use tokio::time::Instant;

use super::{
    BodyError, UpstreamBody,
    body::Deadlines,
    budget::RetryBudget,
    clock::now_ms,
    config::{UpstreamConfig, UpstreamKind},
    link::{Link, Pool, Silence},
    meters::Meters,
    torn::Torn,
};
use crate::{api::ApiError, config::Secret, models::egress::Dialer, ollama, telemetry::propagate};

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
    /// The same as it is sent.
    lines: Lines,
    /// Prefixes of its API, and which of them is right; more than one only until an answer has told.
    roots: Vec<String>,
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
        let headers = headers(config, host)?;
        Ok(Self {
            name: name.clone(),
            asks_usage: config.ask_usage,
            origin,
            lines: Lines::of(&headers),
            headers,
            roots: roots.into_iter().map(str::to_owned).collect(),
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
        let response = self.request(at, &method, path, &body).await?;
        let other = at + 1;
        if response.status() != StatusCode::NOT_FOUND || other >= self.roots.len() {
            return Ok(response);
        }
        let second = self.request(other, &method, path, &body).await?;
        if second.status() == StatusCode::NOT_FOUND {
            return Ok(response);
        }
        self.root.store(other, Relaxed);
        Ok(second)
    }

    async fn request(
        &self,
        root: usize,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<UpstreamBody>, Failure> {
        let head = self.head(root, method, path, body).map_err(|error| Failure::Refused(ApiError::Internal(error)))?;
        let sent = Instant::now();
        if let Some(link) = self.pool.take() {
            match self.send(link, (&head, body), sent).await {
                Err(Silence::Unsent(_)) => {}
                Err(Silence::Broke(error)) if self.may_be_stale(&error) => {}
                outcome => return outcome.map_err(failure),
            }
        }
        let wire = self.dialer.dial(self.origin.clone()).await.map_err(Failure::Unreached)?;
        self.meters().connected();
        self.send(Link::new(wire), (&head, body), sent).await.map_err(failure)
    }

    /// A request's head as it is sent.
    fn head(&self, root: usize, method: &Method, path: &str, body: &Bytes) -> anyhow::Result<Vec<u8>> {
        let root = self.roots.get(root).context("an upstream has a root")?;
        anyhow::ensure!(path.bytes().all(|byte| byte.is_ascii_graphic()), "a path holds what no request line takes");
        let mut head = Vec::with_capacity(self.lines.0.len() + root.len() + path.len() + 256);
        for part in [method.as_str(), " ", root, path, " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        head.extend_from_slice(&self.lines.0);
        let mut trace = HeaderMap::new();
        propagate(&self.origin, &mut trace);
        trace.iter().for_each(|(name, value)| line(name.as_str(), value.as_bytes(), &mut head));
        if *method != Method::GET {
            write!(head, "content-length: {}\r\n", body.len())?;
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }

    /// Whether a connection that was kept broke because the other side had closed it meanwhile. The request may have
    /// been read before, so that sending it again is a second try.
    fn may_be_stale(&self, error: &Torn) -> bool {
        error.is_end() && self.retries.withdraw(now_ms())
    }

    async fn send(
        &self,
        mut link: Link,
        (head, body): (&[u8], &Bytes),
        sent: Instant,
    ) -> Result<Response<UpstreamBody>, Silence> {
        link.arm(self.deadlines.soonest());
        let reply = link.send(head, body, sent + self.deadlines.first).await?;
        let body = UpstreamBody::plain(reply.extent, link, &self.pool, (sent, self.deadlines));
        let mut response = Response::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
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

/// Headers as they are sent, a secret among them.
struct Lines(Box<[u8]>);

impl Lines {
    fn of(headers: &HeaderMap) -> Self {
        let mut lines = Vec::new();
        headers.iter().for_each(|(name, value)| line(name.as_str(), value.as_bytes(), &mut lines));
        Self(lines.into())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Lines(..)")
    }
}

fn line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn failure(silence: Silence) -> Failure {
    match silence {
        Silence::Late => Failure::Late,
        Silence::Broke(error) | Silence::Unsent(error) => Failure::Broke(error.to_string()),
    }
}
