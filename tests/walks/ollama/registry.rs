//! A registry of models as Ollama pulls from one, written from what its client asks for: it hands out the files of a
//! real Ollama's own folder, in ranges.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves until the test's runtime ends.
pub(super) struct Registry {
    pub(super) address: SocketAddr,
}

impl Registry {
    /// Hands out what lies in `models`, a folder of Ollama's.
    pub(super) async fn start(models: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let models = models.clone();
                let answer = service_fn(move |request| {
                    let answer = answer(&models, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address }
    }
}

fn answer(models: &Path, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let parts: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
    let file = match parts.as_slice() {
        ["v2", "library", model, "manifests", tag] => {
            models.join("manifests/registry.ollama.ai/library").join(model).join(tag)
        }
        ["v2", "library", _, "blobs", digest] => models.join("blobs").join(digest.replace(':', "-")),
        _ => return status(StatusCode::NOT_FOUND),
    };
    match fs::read(file) {
        Ok(bytes) => ranged(request, bytes.into()),
        Err(_) => status(StatusCode::NOT_FOUND),
    }
}

fn ranged(request: &Request<Incoming>, bytes: Bytes) -> Response<Full<Bytes>> {
    let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok()?.strip_prefix("bytes="));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        let whole = Response::builder().header(header::CONTENT_LENGTH, bytes.len());
        // Ollama asks first where the bytes are, and then there for the ranges.
        let whole = whole.header(header::LOCATION, request.uri().path());
        let body = if request.method() == Method::HEAD { Bytes::new() } else { bytes };
        return whole.body(Full::new(body)).expect("an answer");
    };
    let from: usize = from.parse().expect("a number");
    let to = to.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
    let part = Response::builder().status(StatusCode::PARTIAL_CONTENT);
    let part = part.header(header::CONTENT_RANGE, format!("bytes {from}-{}/{}", to - 1, bytes.len()));
    part.body(Full::new(bytes.slice(from..to))).expect("an answer")
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("an answer")
}
