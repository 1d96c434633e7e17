//! A server elsewhere that speaks OpenAI's API as far as walks need it, and answers when the walk says so.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Listens until it is dropped. Every request is noted when it comes and answered when a permit is given.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    asked: Mutex<Vec<Value>>,
    permits: Semaphore,
    usage: Mutex<(u64, u64)>,
}

impl Upstream {
    /// Starts it; nobody is answered yet.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared =
            Arc::new(Shared { asked: Mutex::default(), permits: Semaphore::new(0), usage: Mutex::new((20, 10)) });
        let serving = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, serving }
    }

    /// The settings that make `model` a name of this server.
    pub(crate) fn named(&self, model: &str) -> [(&'static str, String); 2] {
        let upstream = format!("[{{ name = 'there', kind = 'openai', base_url = 'http://{}/v1' }}]", self.address);
        let target = format!("{{ upstream = 'there', model = '{model}' }}");
        [("upstreams", upstream), ("models", format!("[{{ name = '{model}', targets = [{target}] }}]"))]
    }

    /// Answers so many of the requests that wait or will come.
    pub(crate) fn answer(&self, requests: usize) {
        self.shared.permits.add_permits(requests);
    }

    /// What every answer from now on says it used, in and out.
    pub(crate) fn uses(&self, prompt: u64, completion: u64) {
        *self.shared.usage.lock().expect("nobody panicked") = (prompt, completion);
    }

    /// The bodies that came, in their order.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((connection, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| reply(shared.clone(), request));
        // A client that leaves ends its connection; the walk sees what became of it at the gateway.
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn reply(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).expect("JSON");
    let (said, streams) = (said(&asked), asked["stream"] == true);
    shared.asked.lock().expect("nobody panicked").push(asked);
    shared.permits.acquire().await.expect("it is never closed").forget();
    let (prompt, completion) = *shared.usage.lock().expect("nobody panicked");
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": prompt / 2}});
    if streams {
        let response = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        return Ok(response.body(Full::from(streamed(&said, &usage))).expect("a response"));
    }
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "there",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
        "usage": usage,
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(answer.to_string())).expect("a response"))
}

/// Repeats what it is asked to repeat, and is polite otherwise.
fn said(asked: &Value) -> String {
    let last = asked["messages"].as_array().and_then(|messages| messages.last());
    let words = last.and_then(|message| message["content"].as_str()).unwrap_or_default();
    words.strip_prefix("Repeat: ").unwrap_or("Hello").to_owned()
}

/// Each character by itself.
fn streamed(said: &str, usage: &Value) -> String {
    let chunk = |choices: Value, usage: &Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "there",
            "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let piece = |delta: Value, reason: Value| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]), &Value::Null)
    };
    let mut events = piece(json!({"role": "assistant", "content": ""}), Value::Null);
    events.extend(said.chars().map(|letter| piece(json!({"content": letter.to_string()}), Value::Null)));
    events + &piece(json!({}), json!("stop")) + &chunk(json!([]), usage) + "data: [DONE]\n\n"
}
