//! The floor under a request body: a client that sends too little for too long loses its request.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::violation::{Noted, Violation};

/// Least bytes a second that a request body must bring.
const FLOOR_PER_SECOND: u128 = 1024;

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the body arrives too slowly")]
    Slow,
    #[error("{}", .0.message())]
    Malformed(Violation),
    #[error("the body broke off or its framing is malformed")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a body must bring in each window of waiting for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    window: Duration,
    floor: u64,
}

impl Pace {
    /// 1 KiB for each second of `window`.
    pub(super) fn new(window: Duration) -> Self {
        let floor = u64::try_from(window.as_millis() * FLOOR_PER_SECOND / 1000).unwrap_or(u64::MAX);
        Self { window, floor: floor.max(1) }
    }
}

/// A body held to its pace. Only payload counts, not what it is wrapped in, and only time in which the server waits:
/// a slow reader on our side is no fault of the client.
#[derive(Debug)]
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
    noted: Noted,
    /// Payload of this window.
    bytes: u64,
    /// Waiting of this window, without the wait going on.
    waited: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, pace: Pace, noted: Noted) -> Self {
        Self { body, pace, noted, bytes: 0, waited: Duration::ZERO, since: None, timer: None }
    }

    fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Ready when a window is over and too little came in it.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            let end = since + self.pace.window.saturating_sub(self.waited);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if timer.deadline() != end {
                timer.as_mut().reset(end);
            }
            ready!(timer.as_mut().poll(cx));
            if self.bytes < self.pace.floor {
                return Poll::Ready(());
            }
            self.bytes = 0;
            self.waited = Duration::ZERO;
            self.since = None;
        }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.came(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(match this.noted.any() {
                Some(violation) => BodyFault::Malformed(violation),
                None => BodyFault::Broken(error.into()),
            }))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => this.poll_window(cx).map(|()| Some(Err(BodyFault::Slow))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{Stream, StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    async fn read(pieces: impl Stream<Item = Bytes> + Unpin, window: Duration) -> Result<Bytes, BodyFault> {
        let body = StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece))));
        Ok(Paced::new(body, Pace::new(window), Noted::default()).collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn silence_and_drips_end_and_what_keeps_pace_does_not() {
        let window = Duration::from_millis(50);
        let silent = read(stream::pending(), window).await;
        assert!(matches!(silent, Err(BodyFault::Slow)));
        let tick = |size: usize| {
            let clock = tokio::time::interval(Duration::from_millis(2));
            Box::pin(stream::unfold(clock, move |mut clock| async move {
                clock.tick().await;
                Some((Bytes::from(vec![b' '; size]), clock))
            }))
        };
        assert!(matches!(read(tick(1), window).await, Err(BodyFault::Slow)));
        let kept = read(tick(4096).take(60), window).await.unwrap();
        assert_eq!(kept.len(), 60 * 4096);
    }

    #[tokio::test]
    async fn a_violation_of_the_connection_is_named() {
        let noted = Noted::default();
        noted.set(Violation::Chunk, 1);
        let torn = StreamBody::new(stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("torn"))]));
        let fault = Paced::new(torn, Pace::new(Duration::from_secs(9)), noted).collect().await.unwrap_err();
        assert!(matches!(fault, BodyFault::Malformed(Violation::Chunk)));
    }
}
