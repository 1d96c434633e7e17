//! The one form in which an answer is kept, whichever way it was first given.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, header};

use super::shapes;
use crate::forward::{Door, stream_headers};

/// First byte; what begins otherwise was written by another version.
const VERSION: u8 = 1;
/// Version, two times, two counts and three lengths.
const HEAD: usize = 1 + 4 * 8 + 3 * 4;
const DONE: &[u8] = b"data: [DONE]\n\n";

/// An answer as it is kept: both shapes of it, so that a hit costs no parsing. The shape that was not asked for costs a
/// tenth of a stream, or twice a plain answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Milliseconds since 1970.
    recorded_ms: u64,
    /// How long it is as good as new.
    fresh: Duration,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// The JSON object of a plain answer.
    plain: Bytes,
    /// The events of a stream with its `[DONE]`, without token counts.
    stream: Bytes,
    /// The JSON of the event with the counts; empty when they are not known.
    counts: Bytes,
}

impl Stored {
    /// The whole answer that went to a client; `None` when it is not one to keep: an error, cut, refused by a filter.
    pub(super) fn of(door: Door, streams: bool, answer: &[u8], tools: bool) -> Option<Self> {
        let shapes = shapes::read(door, streams, answer, tools)?;
        Some(Self {
            recorded_ms: 0,
            fresh: Duration::ZERO,
            prompt_tokens: shapes.prompt_tokens,
            completion_tokens: shapes.completion_tokens,
            plain: shapes.plain.into(),
            stream: if shapes.stream.is_empty() { Bytes::new() } else { [&shapes.stream, DONE].concat().into() },
            counts: shapes.counts.into(),
        })
    }

    /// Kept from now on.
    pub(super) fn at(self, now_ms: u64, fresh: Duration) -> Self {
        Self { recorded_ms: now_ms, fresh, ..self }
    }

    pub(super) fn age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.recorded_ms))
    }

    pub(super) fn is_fresh(&self, now_ms: u64) -> bool {
        self.age(now_ms) < self.fresh
    }

    pub(super) fn encode(&self) -> Bytes {
        let parts = [&self.plain, &self.stream, &self.counts];
        let mut out = BytesMut::with_capacity(HEAD + parts.iter().map(|part| part.len()).sum::<usize>());
        out.put_u8(VERSION);
        let fresh = u64::try_from(self.fresh.as_millis()).unwrap_or(u64::MAX);
        for number in [self.recorded_ms, fresh, self.prompt_tokens, self.completion_tokens] {
            out.put_u64(number);
        }
        for part in parts {
            out.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
        for part in parts {
            out.put_slice(part);
        }
        out.freeze()
    }

    /// What [`Stored::encode`] wrote; shares the buffer. `None` for anything else.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        use bytes::Buf;
        if bytes.len() < HEAD || bytes.get_u8() != VERSION {
            return None;
        }
        let mut number = || bytes.get_u64();
        let (recorded_ms, fresh, prompt_tokens, completion_tokens) = (number(), number(), number(), number());
        let mut length = || bytes.get_u32() as usize;
        let lengths = [length(), length(), length()];
        if bytes.len() != lengths.iter().sum::<usize>() {
            return None;
        }
        let [plain, stream, counts] = lengths.map(|length| bytes.split_to(length));
        let fresh = Duration::from_millis(fresh);
        Some(Self { recorded_ms, fresh, prompt_tokens, completion_tokens, plain, stream, counts })
    }

    /// The answer in the shape that this client asked for; `None` when it has no such shape.
    pub(super) fn response(&self, streams: bool, wants_usage: bool) -> Option<Response> {
        if !streams {
            let mut response = Response::new(Body::from(self.plain.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Some(response);
        }
        if self.stream.is_empty() {
            return None;
        }
        let events = if wants_usage { self.counted() } else { self.stream.clone() };
        let mut response = Response::new(Body::from(events));
        stream_headers(response.headers_mut());
        Some(response)
    }

    /// The stream as OpenAI writes it when counts are asked for: null in each event, and an event of their own at last.
    fn counted(&self) -> Bytes {
        let events = self.stream.strip_suffix(DONE).unwrap_or(&self.stream);
        let mut out = Vec::with_capacity(self.stream.len() * 5 / 4 + self.counts.len());
        for line in events.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"}\n") {
                Some(open) => {
                    out.extend_from_slice(open);
                    out.extend_from_slice(b",\"usage\":null}\n");
                }
                None => out.extend_from_slice(line),
            }
        }
        if !self.counts.is_empty() {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(&self.counts);
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(DONE);
        out.into()
    }

    /// Tokens of the prompt and of the answer, as they were counted when it was drawn.
    pub(super) fn tokens(&self) -> (u64, u64) {
        (self.prompt_tokens, self.completion_tokens)
    }
}
