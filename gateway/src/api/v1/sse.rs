//! Server-sent events as OpenAI's clients read them: `data: {json}` and a last `data: [DONE]`, nothing else.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::{api::ApiError, forward::stream_headers};

/// Silence after which a comment is sent, so that nothing in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A comment: clients skip it; a bare `event:` or an `id:` would break some.
const COMMENT: &[u8] = b": keep-alive\n\n";
/// The end of a chat or completion stream.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// One frame: how it is named (the Responses API names its events, chat does not) and its JSON.
#[derive(Debug)]
pub(super) struct Frame(Bytes);

impl Frame {
    /// `data: {json}`.
    pub(super) fn data(value: &impl Serialize) -> Self {
        Self::write(None, value)
    }

    /// `event: name` and `data: {json}`.
    pub(super) fn named(name: &str, value: &impl Serialize) -> Self {
        Self::write(Some(name), value)
    }

    fn write(name: Option<&str>, value: &impl Serialize) -> Self {
        let mut frame = BytesMut::with_capacity(256);
        if let Some(name) = name {
            frame.put_slice(b"event: ");
            frame.put_slice(name.as_bytes());
            frame.put_u8(b'\n');
        }
        frame.put_slice(b"data: ");
        let mut writer = frame.writer();
        if let Err(error) = serde_json::to_writer(&mut writer, value) {
            tracing::error!(error = %error, "an event cannot be written");
        }
        let mut frame = writer.into_inner();
        frame.put_slice(b"\n\n");
        Self(frame.freeze())
    }
}

/// What ends a stream that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// `data: [DONE]`.
    Done,
    /// The last event says so itself.
    Quiet,
}

/// The response that sends `frames`; an error is its last frame and no `[DONE]` follows. Dropping it drops `frames`.
pub(super) fn respond(frames: BoxStream<'static, Result<Frame, ApiError>>, ending: Ending) -> Response {
    let body = Body::from_stream(beating(frames, ending).map(Ok::<_, Infallible>));
    let mut response = Response::new(body);
    stream_headers(response.headers_mut());
    response
}

fn beating(mut frames: BoxStream<'static, Result<Frame, ApiError>>, ending: Ending) -> impl Stream<Item = Bytes> {
    async_stream::stream! {
        loop {
            let next = tokio::select! {
                biased;
                next = frames.next() => next,
                () = sleep_until(Instant::now() + HEARTBEAT) => {
                    yield Bytes::from_static(COMMENT);
                    continue;
                }
            };
            match next {
                Some(Ok(frame)) => yield frame.0,
                Some(Err(error)) => {
                    yield Frame::data(&error.body()).0;
                    return;
                }
                None => break,
            }
        }
        if ending == Ending::Done {
            yield Bytes::from_static(DONE);
        }
    }
}
