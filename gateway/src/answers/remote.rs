//! The pieces of an answer that a server elsewhere streams.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::StatusCode;
use http_body_util::BodyExt;
use kubemate_engine::FinishReason;
use kubemate_identity::Caller;
use kubemate_wire::chat::{self, ChatRequest, Chunk, StreamOptions};
use serde_json::Value;

use super::{Piece, Pieces};
use crate::{
    api::ApiError,
    app::App,
    forward::refusal,
    guard::Texts,
    models::Upstream,
    routing::{Answered, Ask, Flight, UpstreamBody},
};

/// vLLM's field for who may share its prefix cache.
const SALT: &str = "cache_salt";
/// Longest line of an event stream.
const MAX_LINE: usize = 8 * 1024 * 1024;

/// Asks an upstream of the model for a stream and reads it as pieces.
///
/// # Errors
/// `Upstream` when none can be reached; what the last one refuses.
pub(super) async fn generate(app: &App, caller: &Caller, mut request: ChatRequest) -> Result<Pieces, ApiError> {
    request.stream = Some(true);
    request.stream_options = Some(StreamOptions { include_usage: Some(true), ..StreamOptions::default() });
    let (body, masked) = app.guard.check(&caller.tenant, &written(&request)?)?;
    if masked.is_some() {
        request = serde_json::from_slice(&body).map_err(ApiError::internal)?;
    }
    let ask = Ask {
        model: &request.model,
        path: "/chat/completions",
        body: &body,
        caller,
        session: request.user.as_deref(),
        write: &|upstream, name| {
            let mut request = ChatRequest { model: name.to_owned(), ..request.clone() };
            let own = request.other.remove(SALT);
            let salt = upstream.config.salt(&caller.tenant, own.as_ref().and_then(Value::as_str));
            request.other.extend(salt.map(Value::from).or(own).map(|salt| (SALT.to_owned(), salt)));
            written(&request)
        },
    };
    let Answered { response, upstream, flight, .. } = app.routes.send(ask).await?;
    if !response.status().is_success() {
        return Err(refusal(&upstream, response).await);
    }
    let pieces = pieces(upstream, response.into_body(), flight).boxed();
    Ok(match masked {
        None => pieces,
        Some(masked) => restored(pieces, masked.texts()).boxed(),
    })
}

/// The pieces with what was masked in the request.
fn restored(mut pieces: Pieces, texts: Texts) -> impl Stream<Item = Result<Piece, ApiError>> {
    let text = |choice, text| Piece::Text { choice, text, logprobs: Vec::new(), tokens: 0 };
    async_stream::try_stream! {
        let mut texts = Some(texts);
        while let Some(piece) = pieces.next().await {
            match (piece?, &mut texts) {
                (Piece::Text { choice, text: told, logprobs, tokens }, Some(texts)) => {
                    let told = texts.feed(choice, &told);
                    yield Piece::Text { choice, text: told, logprobs, tokens };
                }
                (piece, texts) => {
                    if matches!(piece, Piece::Finished { .. }) {
                        for (choice, left) in texts.take().into_iter().flat_map(Texts::end) {
                            yield text(choice, left);
                        }
                    }
                    yield piece;
                }
            }
        }
    }
}

fn written(request: &ChatRequest) -> Result<Bytes, ApiError> {
    serde_json::to_vec(request).map(Bytes::from).map_err(ApiError::internal)
}

fn pieces(upstream: Arc<Upstream>, body: UpstreamBody, flight: Flight) -> impl Stream<Item = Result<Piece, ApiError>> {
    async_stream::try_stream! {
        let mut flight = Some(flight);
        let mut lines = Lines::new(body);
        let mut state = Reading::default();
        loop {
            let next = lines.next(&upstream).await;
            if next.is_err() && let Some(flight) = flight.take() {
                flight.failed();
            }
            let Some(line) = next? else { break };
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            let data = data.trim_ascii();
            if data == b"[DONE]" {
                break;
            }
            let chunk: Chunk = serde_json::from_slice(data)
                .map_err(|error| upstream.failed(StatusCode::BAD_GATEWAY, &error.to_string()))?;
            for piece in state.read(chunk) {
                yield piece;
            }
        }
        if let Some(flight) = flight.take() {
            flight.ended();
        }
        for piece in state.end() {
            yield piece;
        }
    }
}

/// What has been seen of the stream: counts come last, but pieces need them in their place.
#[derive(Debug, Default)]
struct Reading {
    started: bool,
    finished: Vec<(u32, FinishReason)>,
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Reading {
    fn read(&mut self, chunk: Chunk) -> Vec<Piece> {
        if let Some(usage) = chunk.usage.total() {
            self.prompt_tokens = usage.prompt_tokens;
            self.completion_tokens = usage.completion_tokens;
        }
        let mut pieces = Vec::new();
        for choice in chunk.choices {
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                self.started = true;
                pieces.push(Piece::Text { choice: choice.index, text, logprobs: Vec::new(), tokens: 0 });
            }
            if let Some(reason) = choice.finish_reason {
                self.finished.push((choice.index, finish(reason)));
            }
        }
        pieces
    }

    /// The counts belong to all choices together; the first one carries them.
    fn end(self) -> Vec<Piece> {
        let mut left = self.completion_tokens;
        let started = Piece::Started { prompt_tokens: self.prompt_tokens };
        let finished = self.finished.into_iter().map(|(choice, reason)| {
            let completion_tokens = std::mem::take(&mut left);
            Piece::Finished { choice, reason, completion_tokens }
        });
        std::iter::once(started).chain(finished).collect()
    }
}

fn finish(reason: chat::FinishReason) -> FinishReason {
    match reason {
        chat::FinishReason::Length => FinishReason::Length,
        _ => FinishReason::Stop,
    }
}

/// Cuts a body into lines; never inside a character, because a line is handed on whole.
struct Lines {
    body: UpstreamBody,
    buffer: BytesMut,
}

impl Lines {
    fn new(body: UpstreamBody) -> Self {
        Self { body, buffer: BytesMut::new() }
    }

    async fn next(&mut self, upstream: &Upstream) -> Result<Option<Bytes>, ApiError> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(searched + at + 1).freeze();
                line.truncate(line.len() - 1);
                return Ok(Some(line));
            }
            searched = self.buffer.remaining();
            if searched > MAX_LINE {
                return Err(upstream.failed(StatusCode::BAD_GATEWAY, "sent an endless line"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(upstream.failed(StatusCode::BAD_GATEWAY, &error.to_string())),
                None => return Ok(None),
            }
        }
    }
}
