//! A caller: one key, one address, JSON in and out.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Calls one server with one key, or without.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Of the `event:` line, if there was one.
    pub(crate) name: Option<String>,
    /// Of the `data:` line.
    pub(crate) data: String,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: Option<&str>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { address, key: key.map(str::to_owned), client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// A call of any method, with a JSON body or none.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.open(method, path, body).await.whole().await
    }

    /// Uploads a file for `assistants` and gives its id.
    pub(crate) async fn upload(&self, filename: &str, body: &[u8]) -> String {
        self.try_upload(filename, body).await.expect("the server answers").json()["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// As [`Self::upload`]; `None` when the connection broke.
    pub(crate) async fn try_upload(&self, filename: &str, body: &[u8]) -> Option<Answer> {
        let border = "walk-7MA4YWxkTrZu0gW";
        let mut form = format!(
            "--{border}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n\
             --{border}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(body);
        form.extend_from_slice(format!("\r\n--{border}--\r\n").as_bytes());
        let media = format!("multipart/form-data; boundary={border}");
        let request = self.request(Method::POST, "/v1/files").header(header::CONTENT_TYPE, media);
        self.try_send(request.body(Full::from(form)).expect("a request")).await
    }

    /// Opens a stream and leaves its frames to the caller.
    pub(crate) async fn open(&self, method: Method, path: &str, body: Option<Value>) -> Opened {
        let request = self.with_json(method, path, body);
        Opened(self.client.request(request).await.unwrap_or_else(|error| panic!("{path}: {error:?}")))
    }

    /// Asks for a stream and collects its events; the stream must be well-formed in every byte.
    pub(crate) async fn stream(&self, path: &str, mut body: Value) -> Vec<Event> {
        body["stream"] = json!(true);
        let opened = self.open(Method::POST, path, Some(body)).await;
        assert_eq!(opened.0.status(), StatusCode::OK);
        let media = opened.0.headers().get(header::CONTENT_TYPE).expect("a content type").to_str().expect("text");
        assert!(media.starts_with("text/event-stream"), "{media}");
        assert_eq!(opened.0.headers().get(header::CACHE_CONTROL).expect("cache-control"), "no-cache");
        assert_eq!(opened.0.headers().get("x-accel-buffering").expect("x-accel-buffering"), "no");
        assert!(opened.0.headers().get(header::CONTENT_ENCODING).is_none());
        events(&opened.whole().await.text())
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        match &self.key {
            Some(key) => request.header(header::AUTHORIZATION, format!("Bearer {key}")),
            None => request,
        }
    }

    fn with_json(&self, method: Method, path: &str, body: Option<Value>) -> Request<Full<Bytes>> {
        let mut request = self.request(method, path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::from(body.map_or_else(String::new, |body| body.to_string()))).expect("a request")
    }

    async fn try_send(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        Opened(self.client.request(request).await.ok()?).try_whole().await
    }
}

/// An answer whose body is still coming.
pub(crate) struct Opened(pub(crate) http::Response<Incoming>);

impl Opened {
    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let frame = self.0.body_mut().into_data_stream().next().await?;
        Some(frame.expect("the stream is not cut"))
    }

    pub(crate) async fn whole(self) -> Answer {
        self.try_whole().await.expect("the answer is not cut")
    }

    async fn try_whole(self) -> Option<Answer> {
        let (head, body) = self.0.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("UTF-8")
    }

    /// The body of a success.
    pub(crate) fn json(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The error object of a refusal with this status; it always has OpenAI's shape.
    pub(crate) fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert!(self.headers.contains_key("x-request-id"), "every answer carries its id");
        let mut body: Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()));
        let error = body["error"].take();
        for field in ["message", "type", "param", "code"] {
            assert!(error.get(field).is_some(), "no `{field}` in {}", self.text());
        }
        error
    }
}

/// Reads events as strict clients do: `data: ` with its space, one line of JSON, an empty line; comments are skipped.
fn events(text: &str) -> Vec<Event> {
    let blocks = text.strip_suffix("\n\n").unwrap_or_else(|| panic!("the stream is cut: {text:?}")).split("\n\n");
    blocks.filter(|block| !block.starts_with(':')).map(event).collect()
}

fn event(block: &str) -> Event {
    let (name, data) = match block.split_once('\n') {
        Some((first, second)) => (Some(first.strip_prefix("event: ").expect("an event line").to_owned()), second),
        None => (None, block),
    };
    let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("not a data line: {block:?}"));
    assert!(!data.contains('\n'), "{data:?}");
    Event { name, data: data.to_owned() }
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("not JSON: {}", self.data))
    }
}
