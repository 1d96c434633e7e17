//! Answers on their way out. On HTTP/1 a client that stops reading stops the socket, and the socket is watched. On HTTP/2
//! it may hold one stream's window shut while the connection lives, so each stream is watched by itself.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body as AnyBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::link::InFlightGuard;

/// Largest piece handed to HTTP/2 at once. hyper buffers a whole piece as soon as one byte of it may go; what is buffered
/// behind a finished answer is what the idle deadline of the connection is left to bound. Also its usual frame size.
const PIECE: usize = 16 * 1024;

tokio::task_local! {
    /// The reader at the other end of the HTTP/2 stream that this task serves.
    static READER: Reader;
}

/// Runs each HTTP/2 stream in a task of its own and drops it, which resets it, when the client stops reading its answer.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    /// Longest time a client may stop reading an answer.
    pub(super) write_stall: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let reader = Reader::default();
        let limit = self.write_stall;
        tokio::spawn(READER.scope(reader.clone(), async move {
            tokio::select! {
                _done = stream => {}
                () = reader.stalled(limit) => debug!("the client stopped reading an answer"),
            }
        }));
    }
}

/// Since when a piece of the answer has waited for the client to take it.
#[derive(Clone, Debug, Default)]
struct Reader(Arc<Mutex<Option<Instant>>>);

impl Reader {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn owes_since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when one piece has waited for `limit`. Looks once a `limit` while all is well: whatever begins to wait
    /// after a look is not due before the next.
    async fn stalled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let due = self.owes_since().unwrap_or(now) + limit;
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// The body of an answer: holds the connection's count of open requests and, on HTTP/2, tells its reader's watch.
#[derive(Debug)]
pub(super) struct Answer {
    body: AnyBody,
    /// What is left of a piece larger than [`PIECE`].
    rest: Bytes,
    reader: Option<Reader>,
    _open: InFlightGuard,
}

impl Answer {
    /// Called in the task that serves the request, so that it finds the stream's reader.
    pub(super) fn new(body: AnyBody, open: InFlightGuard) -> Self {
        Self { body, rest: Bytes::new(), reader: READER.try_with(Clone::clone).ok(), _open: open }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece_of_rest())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(self.cut(frame)))),
            other => other,
        }
    }

    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                self.piece_of_rest()
            }
            Err(frame) => frame,
        }
    }

    fn piece_of_rest(&mut self) -> Frame<Bytes> {
        Frame::data(self.rest.split_to(PIECE.min(self.rest.len())))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.reader.is_none() {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        let polled = this.poll_body(cx);
        // hyper asks for the next piece only when this one was taken.
        let owes = matches!(polled, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        if let Some(reader) = &this.reader {
            reader.set(owes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.rest.len() as u64;
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(left));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::net::link::InFlight;

    fn answer(body: impl Into<AnyBody>) -> Answer {
        Answer::new(body.into(), InFlight::default().enter())
    }

    #[tokio::test]
    async fn an_answer_nobody_takes_is_stalled_and_a_slow_model_is_not() {
        let limit = Duration::from_millis(20);
        let reader = Reader::default();
        reader.set(Some(Instant::now()));
        reader.stalled(limit).await;
        let (_model, slow) = futures::channel::mpsc::unbounded::<Result<Bytes, std::convert::Infallible>>();
        READER
            .scope(Reader::default(), async {
                let mut answer = answer(AnyBody::from_stream(slow));
                assert!(futures::poll!(answer.frame()).is_pending());
                assert_eq!(READER.get().owes_since(), None, "the model owes, not the client");
            })
            .await;
    }

    #[tokio::test]
    async fn large_pieces_are_cut_for_http2_alone() {
        let large = Bytes::from(vec![b'x'; PIECE * 2 + 1]);
        let mut whole = answer(large.clone());
        assert_eq!(whole.frame().await.unwrap().unwrap().into_data().unwrap().len(), large.len());
        READER
            .scope(Reader::default(), async {
                let mut cut = answer(large.clone());
                for (size, left) in [(PIECE, PIECE + 1), (PIECE, 1), (1, 0)] {
                    assert_eq!(cut.frame().await.unwrap().unwrap().into_data().unwrap().len(), size);
                    assert_eq!((cut.size_hint().exact(), cut.is_end_stream()), (Some(left as u64), left == 0));
                }
            })
            .await;
    }
}
