//! A response of OpenAI's API on its way to a client of Ollama's.

use std::{convert::Infallible, time::Instant};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, Limited};
use kubemate_wire::{error::ErrorBody, ollama::OllamaError};
use serde::de::DeserializeOwned;

use super::line::{Heard, Shape, Writer};
use crate::{api::ApiError, ollama::Lines};

/// Longest answer that is held to be rewritten; one with 2,048 embeddings stays below.
const MAX_WHOLE: usize = 128 * 1024 * 1024;
/// The media type of Ollama's streams.
pub(in crate::api) const LINES: &str = "application/x-ndjson";

/// What the client waits for.
#[derive(Debug)]
pub(super) struct Wanted {
    writer: Writer,
    streams: bool,
}

impl Wanted {
    /// The clock of the answer starts here.
    pub(super) fn new(shape: Shape, model: &str, stream: Option<bool>) -> Self {
        Self { writer: Writer::new(shape, model.to_owned(), Instant::now()), streams: stream.unwrap_or(true) }
    }
}

/// The same answer in Ollama's words; headers stay, refusals pass (they are rewritten with all others of this API).
///
/// # Errors
/// `Upstream` when an answer that is not a stream breaks off.
pub(super) async fn write(response: Response, wanted: Wanted) -> Result<Response, ApiError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let Wanted { mut writer, streams } = wanted;
    if streams {
        let (mut head, body) = response.into_parts();
        labelled(&mut head.headers, LINES);
        return Ok(Response::from_parts(head, Body::from_stream(lines(body, writer).map(Ok::<_, Infallible>))));
    }
    let headers = response.headers().clone();
    let heard: Heard = read(response).await?;
    writer.comes_at_once();
    let new = writer.hear(heard).unwrap_or_default();
    let mut response = Response::new(Body::from(writer.last(new)));
    *response.headers_mut() = headers;
    labelled(response.headers_mut(), "application/json; charset=utf-8");
    Ok(response)
}

fn labelled(headers: &mut HeaderMap, media: &'static str) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
}

/// A whole answer, read.
///
/// # Errors
/// `Upstream` when it breaks off or is no answer.
pub(super) async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
    let collected = Limited::new(response.into_body(), MAX_WHOLE).collect().await;
    let broken = |error: String| {
        tracing::warn!(error = %error, "an answer cannot be read");
        broke_off()
    };
    let body = collected.map_err(|error| broken(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| broken(error.to_string()))
}

fn broke_off() -> ApiError {
    let what = "broke off in the middle of its answer".to_owned();
    ApiError::Upstream { upstream: "model".to_owned(), what, status: http::StatusCode::BAD_GATEWAY }
}

/// What one event of the stream means.
enum Event {
    Heard(Box<Heard>),
    Failed(String),
    Done,
}

fn event(line: &[u8]) -> Option<Event> {
    let data = line.strip_prefix(b"data:")?.trim_ascii();
    if data == b"[DONE]" {
        return Some(Event::Done);
    }
    if let Ok(failure) = serde_json::from_slice::<ErrorBody>(data) {
        return Some(Event::Failed(failure.error.message));
    }
    Some(match serde_json::from_slice(data) {
        Ok(heard) => Event::Heard(Box::new(heard)),
        Err(_) => Event::Failed(broke_off().to_string()),
    })
}

fn failure(message: String) -> Bytes {
    let mut line = serde_json::to_vec(&OllamaError { error: message }).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Events become lines; the comments that keep a stream awake have no counterpart. An error is the last line.
fn lines(body: Body, mut writer: Writer) -> impl Stream<Item = Bytes> + Send {
    let mut data = body.into_data_stream();
    async_stream::stream! {
        let mut found = Lines::default();
        while let Some(Ok(piece)) = data.next().await {
            if found.feed(&piece).is_err() {
                break;
            }
            while let Some(line) = found.next() {
                match event(&line) {
                    Some(Event::Heard(heard)) => if let Some(new) = writer.hear(*heard) {
                        yield Bytes::from(writer.line(new));
                    },
                    Some(Event::Failed(message)) => {
                        yield failure(message);
                        return;
                    }
                    Some(Event::Done) => {
                        yield Bytes::from(writer.last(Default::default()));
                        // Read to its end, the upstream's connection can serve again.
                        while data.next().await.is_some_and(|piece| piece.is_ok()) {}
                        return;
                    }
                    None => {}
                }
            }
        }
        yield failure(broke_off().to_string());
    }
}

#[cfg(test)]
mod tests;
