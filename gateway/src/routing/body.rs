//! The body of an upstream's answer.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{
    incoming::Incoming,
    link::{Link, Pool},
    reply::Extent,
    torn::Torn,
};

/// Why an answer does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection, or the framing on it.
    #[error("the connection broke: {0}")]
    Broke(#[from] Torn),
    /// Nothing came for longer than is configured.
    #[error("nothing came for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The whole took longer than is configured.
    #[error("the answer took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// What came could not be made into OpenAI's shape.
    #[error("{0}")]
    Unreadable(String),
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From the request to the first piece of the body.
    pub(super) first: Duration,
    /// Between two pieces.
    pub(super) gap: Duration,
    /// From the request to the end.
    pub(super) total: Duration,
}

impl Deadlines {
    /// The soonest that any of them can be over.
    pub(super) fn soonest(&self) -> Duration {
        self.first.min(self.gap).min(self.total)
    }
}

type Translated = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// Bytes as the upstream sends them, or made into OpenAI's shape on the way. Dropping it closes the connection, unless
/// the answer was read to its end: then the connection serves the next request.
pub(crate) struct UpstreamBody {
    source: Source,
    /// The first piece, which was waited for before the answer was handed on.
    held: Option<Frame<Bytes>>,
}

enum Source {
    Plain(Box<Streamed>),
    Translated(Translated),
}

impl UpstreamBody {
    /// What an upstream of another protocol says, in OpenAI's shape. It must own the body that it reads from.
    pub(crate) fn translated(body: impl Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self { source: Source::Translated(Box::pin(body)), held: None }
    }

    /// What comes over `link`, to a request sent at `sent`.
    pub(super) fn plain(extent: Extent, link: Link, pool: &Arc<Pool>, (sent, deadlines): (Instant, Deadlines)) -> Self {
        let incoming = Incoming::new(extent);
        let mut streamed = Streamed { incoming, link: Some(link), pool: pool.clone(), sent, last: None, deadlines };
        streamed.give_back_at_end();
        Self { source: Source::Plain(Box::new(streamed)), held: None }
    }

    /// Waits for the first piece and keeps it.
    ///
    /// # Errors
    /// As the body's.
    pub(super) async fn begin(&mut self) -> Result<(), BodyError> {
        if self.held.is_none() && !self.source.is_end_stream() {
            self.held = poll_fn(|context| self.source.poll_frame(context)).await.transpose()?;
        }
        Ok(())
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.source {
            Source::Plain(_) => "UpstreamBody(plain)",
            Source::Translated(_) => "UpstreamBody(translated)",
        })
    }
}

impl Source {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Plain(body) => body.poll_frame(context),
            Self::Translated(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.incoming.is_done(),
            Self::Translated(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.incoming.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Self::Translated(body) => body.size_hint(),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.held.take() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => self.source.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let mut hint = self.source.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(hint.lower() + held);
        hint
    }
}

/// An answer together with the connection it comes over.
struct Streamed {
    incoming: Incoming,
    /// Until the answer's end; then it is the pool's.
    link: Option<Link>,
    pool: Arc<Pool>,
    sent: Instant,
    /// When the last piece came.
    last: Option<Instant>,
    deadlines: Deadlines,
}

impl Streamed {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(link) = &mut self.link else { return Poll::Ready(None) };
        match self.incoming.poll(link, context) {
            Poll::Pending => self.overdue(context).map(|error| Some(Err(error))),
            Poll::Ready(Ok(piece)) => {
                self.last = Some(Instant::now());
                self.give_back_at_end();
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Poll::Ready(Err(error)) => {
                self.link = None;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_done()
            && let Some(link) = self.link.take()
        {
            self.pool.put(link);
        }
    }

    fn overdue(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let Some(link) = &mut self.link else { return Poll::Pending };
        let end = self.sent + self.deadlines.total;
        let (next, wait) = match self.last {
            None => (self.sent + self.deadlines.first, self.deadlines.first),
            Some(last) => (last + self.deadlines.gap, self.deadlines.gap),
        };
        if link.overdue(context, next.min(end)).is_pending() {
            return Poll::Pending;
        }
        self.link = None;
        Poll::Ready(if end < next { BodyError::TooLong(self.deadlines.total) } else { BodyError::Stalled(wait) })
    }
}
