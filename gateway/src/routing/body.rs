//! The body of an upstream's answer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Why an answer does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection, or the framing on it.
    #[error("the connection broke: {0}")]
    Broke(#[from] hyper::Error),
    /// What came could not be made into OpenAI's shape.
    #[error("{0}")]
    Unreadable(String),
}

type Translated = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// Bytes as the upstream sends them, or made into OpenAI's shape on the way. Dropping it drops the connection.
pub(crate) struct UpstreamBody(Source);

enum Source {
    Plain(Incoming),
    Translated(Translated),
}

impl UpstreamBody {
    /// What an upstream of another protocol says, in OpenAI's shape. It must own the body that it reads from.
    pub(crate) fn translated(body: impl Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Source::Translated(Box::pin(body)))
    }
}

impl From<Incoming> for UpstreamBody {
    fn from(incoming: Incoming) -> Self {
        Self(Source::Plain(incoming))
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            Source::Plain(_) => "UpstreamBody(plain)",
            Source::Translated(_) => "UpstreamBody(translated)",
        })
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Plain(body) => Pin::new(body).poll_frame(context).map_err(BodyError::from),
            Source::Translated(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Plain(body) => body.is_end_stream(),
            Source::Translated(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Plain(body) => body.size_hint(),
            Source::Translated(body) => body.size_hint(),
        }
    }
}
