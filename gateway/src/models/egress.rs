//! The one way out: every call to another machine is made here.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kubemate_engine::{Fetch, FetchError, Fetched};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};

use crate::net::{worker, workers};

/// How long an unused connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(90);

/// Where Debian, Red Hat and Alpine keep the certificates that an operator trusts.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client bound to one kind of use. It follows no redirect.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    /// For each thread that serves connections its own: an upstream's connection is driven where its requests are.
    workers: Arc<[Https]>,
    /// For all other threads.
    elsewhere: Https,
}

impl Egress {
    /// A client whose connections must be made within `connect`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(crate) fn new(connect: Duration) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect));
        let https =
            HttpsConnectorBuilder::new().with_tls_config(trust()?).https_or_http().enable_http1().wrap_connector(tcp);
        let client = || {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(https.clone())
        };
        Ok(Self { workers: (0..workers()).map(|_| client()).collect(), elsewhere: client() })
    }

    /// Sends `request`; dropping the future or the body drops the connection.
    ///
    /// # Errors
    /// The client's: no connection, or it broke before an answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let own = worker().and_then(|worker| self.workers.get(worker));
        own.unwrap_or(&self.elsewhere).request(request).await
    }
}

/// Trusts what the machine's operator trusts; read once.
fn trust() -> anyhow::Result<ClientConfig> {
    static READ: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = READ.get() {
        return Ok(config.clone());
    }
    let config = read_trust()?;
    Ok(READ.get_or_init(|| config).clone())
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
pub(crate) fn reason(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
