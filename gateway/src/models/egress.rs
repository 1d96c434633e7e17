//! The one way out: every call to another machine is made here.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use kubemate_engine::{Fetch, FetchError, Fetched};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tower::ServiceExt;

/// How long an unused connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(90);

/// Where Debian, Red Hat and Alpine keep the certificates that an operator trusts.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client bound to one kind of use. It follows no redirect.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    client: Https,
}

impl Egress {
    /// A client whose connections must be made within `connect`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(crate) fn new(connect: Duration) -> anyhow::Result<Self> {
        let https = HttpsConnector::from((tcp(connect), trust()?));
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(https);
        Ok(Self { client })
    }

    /// Sends `request`; dropping the future or the body drops the connection.
    ///
    /// # Errors
    /// The client's: no connection, or it broke before an answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.client.request(request).await
    }
}

fn tcp(connect: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp
}

/// A connection to another machine.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Secure(Box<TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_read(context, out),
            Self::Secure(wire) => Pin::new(wire).poll_read(context, out),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write_vectored(context, parts),
            Self::Secure(wire) => Pin::new(wire).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(wire) => wire.is_write_vectored(),
            Self::Secure(wire) => wire.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_flush(context),
            Self::Secure(wire) => Pin::new(wire).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(context),
            Self::Secure(wire) => Pin::new(wire).poll_shutdown(context),
        }
    }
}

/// Makes connections for those who keep their own.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    tcp: HttpConnector,
    /// Absent where nothing is encrypted, so that no certificates are read for it.
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
}

impl Dialer {
    /// Connections must be there within `patience`, names and TLS included.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(crate) fn new(patience: Duration, secure: bool) -> anyhow::Result<Self> {
        let tls = secure.then(trust).transpose()?;
        Ok(Self { tcp: tcp(patience), tls, patience })
    }

    /// Connects to the host of `origin`.
    ///
    /// # Errors
    /// The innermost cause, such as "connection refused".
    pub(crate) async fn dial(&self, origin: Uri) -> Result<Wire, String> {
        let connected = async {
            match &self.tls {
                None => {
                    let wire = self.tcp.clone().oneshot(origin).await.map_err(|error| innermost(&error))?;
                    Ok(Wire::Plain(wire.into_inner()))
                }
                Some(tls) => {
                    let https = HttpsConnector::from((self.tcp.clone(), tls.clone()));
                    let wire = https.oneshot(origin).await.map_err(|error| innermost(error.as_ref()))?;
                    Ok(Wire::Secure(Box::new(TokioIo::new(wire))))
                }
            }
        };
        timeout(self.patience, connected).await.unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }
}

/// Trusts what the machine's operator trusts. Read once: the file is long, and upstreams are many.
fn trust() -> anyhow::Result<Arc<ClientConfig>> {
    static TRUSTED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match TRUSTED.get() {
        Some(config) => Ok(config.clone()),
        None => read_trust().map(|config| TRUSTED.get_or_init(|| Arc::new(config)).clone()),
    }
}

fn read_trust() -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let named = std::env::var("SSL_CERT_FILE").ok();
    let found = named.as_deref().into_iter().chain(SYSTEM_ROOTS).find(|path| std::path::Path::new(path).exists());
    if let Some(path) = found {
        let certificates = CertificateDer::pem_file_iter(path).with_context(|| format!("`{path}` cannot be read"))?;
        roots.add_parsable_certificates(certificates.flatten());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A client for bodies of any length: files on their way to another server, which are never held whole.
#[derive(Clone, Debug)]
pub(crate) struct Freight {
    client: Client<HttpsConnector<HttpConnector>, axum::body::Body>,
}

impl Freight {
    /// As [`Egress::new`].
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(crate) fn new(connect: Duration) -> anyhow::Result<Self> {
        let https = HttpsConnector::from((tcp(connect), trust()?));
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(https) })
    }

    /// Sends `request`; dropping the future or the answer's body drops the connection.
    ///
    /// # Errors
    /// The innermost cause, such as "connection refused".
    pub(crate) async fn send(&self, request: Request<axum::body::Body>) -> Result<Response<Incoming>, String> {
        self.client.request(request).await.map_err(|error| reason(&error))
    }
}

#[async_trait]
impl Fetch for Egress {
    async fn get(&self, url: &str, accept: Option<&str>, from: u64) -> Result<Fetched, FetchError> {
        let unreachable = |reason: String| FetchError::Unreachable { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| unreachable(format!("not a URL: {error}")))?;
        let mut request = Request::get(uri)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("kubemate/", env!("CARGO_PKG_VERSION")));
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Full::default()).map_err(|error| unreachable(error.to_string()))?;
        let response = self.send(request).await.map_err(|error| unreachable(reason(&error)))?;
        fetched(url, response, from)
    }
}

fn fetched(url: &str, response: Response<Incoming>, asked: u64) -> Result<Fetched, FetchError> {
    let from = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => asked,
        status => return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() }),
    };
    let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let url = url.to_owned();
    let body = BodyDataStream::new(response.into_body())
        .map(move |piece| piece.map_err(|error| FetchError::Broken { url: url.clone(), reason: error.to_string() }));
    Ok(Fetched { from, length, body: body.boxed() })
}

/// The innermost cause: "connection refused" rather than "client error (Connect)".
fn reason(error: &hyper_util::client::legacy::Error) -> String {
    innermost(error)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
