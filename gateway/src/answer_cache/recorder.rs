//! What passes to the client of a first answer is written down for the next one who asks.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http::HeaderValue;
use http_body::{Frame, SizeHint};
use kubemate_cache::CacheKey;
use kubemate_identity::TenantId;

use super::{
    AnswerCache, STATE, Stored, copied,
    flights::{Landed, Seat},
    now_ms,
};
use crate::{
    api::ApiError,
    forward::{Door, without_counts},
};

/// Writes down one answer. Dropping it before the answer has ended keeps nothing, and lets another lead.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) cache: AnswerCache,
    pub(super) tenant: TenantId,
    pub(super) key: CacheKey,
    pub(super) door: Door,
    /// Whether the answer comes as a stream.
    pub(super) streams: bool,
    /// Whether the client asked for a stream's counts; they are written down in any case.
    pub(super) wants_usage: bool,
    pub(super) tools: bool,
    pub(super) ttl: Duration,
    pub(super) stale: Duration,
    /// Most bytes of an answer.
    pub(super) most: usize,
    /// None when nobody waits, as for a request that wants a new answer.
    pub(super) seat: Option<Seat>,
}

impl Recorder {
    /// The response, written down while it passes. It must be as the model said it, before anything is changed for this
    /// client alone; of a stream whole events with the counts, which are taken out here when nobody asked for them.
    pub(crate) fn record(self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        head.headers.insert(STATE, HeaderValue::from_static("miss"));
        let strips = self.streams && !self.wants_usage;
        let taken = Taken { recorder: Some(self), pieces: Vec::new(), bytes: 0 };
        Response::from_parts(head, Body::new(Recorded { body, taken, strips }))
    }

    /// A response that is not to be kept: whoever waits asks for himself.
    pub(crate) fn passed_by(self, response: Response) -> Response {
        self.alone();
        super::passed_by(response)
    }

    /// The model refused, or could not be reached: whoever waits is told the same.
    pub(crate) fn refused(self, error: &ApiError) {
        if let Some(seat) = &self.seat {
            seat.land(Landed::Refused(Arc::new(copied(error))));
        }
    }

    /// Keeps a whole answer, if it is one to keep.
    fn settle(self, answer: &[u8]) {
        let Some(stored) = Stored::of(self.door, self.streams, answer, self.tools) else {
            return self.alone();
        };
        let stored = Arc::new(stored.at(now_ms(), self.ttl));
        if let Some(seat) = &self.seat {
            seat.land(Landed::Stored(stored.clone()));
        }
        let tasks = self.cache.tasks().clone();
        tasks.spawn(async move {
            self.cache.keep(&self.tenant, &self.key, &stored, self.ttl.saturating_add(self.stale)).await;
            drop(self.seat); // not before it is kept: a newcomer in between would ask again
        });
    }

    fn alone(self) {
        if let Some(seat) = &self.seat {
            seat.land(Landed::Alone);
        }
    }
}

/// The bytes that have passed.
#[derive(Debug)]
struct Taken {
    recorder: Option<Recorder>,
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Taken {
    fn see(&mut self, piece: &Bytes) {
        let Some(recorder) = &self.recorder else { return };
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > recorder.most {
            self.pieces = Vec::new();
            self.recorder.take().into_iter().for_each(Recorder::alone);
            return;
        }
        self.pieces.push(piece.clone());
    }

    fn end(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.settle(&std::mem::take(&mut self.pieces).concat());
        }
    }
}

/// A client may have the last byte and go before its end is read: then what has passed is whole, too.
impl Drop for Taken {
    fn drop(&mut self) {
        let Some(recorder) = self.recorder.take() else { return };
        let answer = std::mem::take(&mut self.pieces).concat();
        if recorder.streams && !answer.ends_with(b"data: [DONE]\n\n") {
            return; // the recorder goes, and with it the flight
        }
        if !recorder.streams && serde_json::from_slice::<serde::de::IgnoredAny>(&answer).is_err() {
            return;
        }
        recorder.settle(&answer);
    }
}

/// A body that is written down.
struct Recorded {
    body: Body,
    taken: Taken,
    strips: bool,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    drop(self.taken.recorder.take());
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.taken.end();
                    return Poll::Ready(None);
                }
            };
            let Ok(piece) = frame.into_data() else { continue };
            self.taken.see(&piece);
            let piece = if self.strips { without_counts(piece) } else { piece };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.strips { SizeHint::default() } else { self.body.size_hint() }
    }
}
