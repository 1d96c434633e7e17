//! The body of an answer, rewritten on its way.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};

use super::{Reading, answer, stream::Events};

/// Longest answer that is not a stream: vectors of 2,048 texts with 4,096 numbers each.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// What a body may end with.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// The answer of an Ollama server as an OpenAI server would give it. Refusals pass as they are.
///
/// # Errors
/// When an answer that is not a stream breaks off or is not Ollama's.
pub(super) async fn translate<B>(reading: Reading, response: Response<B>) -> Result<Response<Translated<B>>, Failure>
where
    B: Body<Data = Bytes, Error: Into<Failure>>,
{
    let (mut head, body) = response.into_parts();
    if !head.status.is_success() {
        return Ok(Response::from_parts(head, Translated::Untouched(body)));
    }
    head.headers.remove(header::CONTENT_LENGTH);
    let (media, body) = if reading.streams {
        ("text/event-stream", Translated::Stream(body, Box::new(Events::new(reading))))
    } else {
        let collected = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        ("application/json", Translated::Whole(Some(answer::whole(&reading, &collected)?)))
    };
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(Response::from_parts(head, body))
}

/// A body on its way. Dropping it drops the upstream's.
#[derive(Debug)]
pub(super) enum Translated<B> {
    Untouched(B),
    Whole(Option<Bytes>),
    Stream(B, Box<Events>),
}

impl<B> Body for Translated<B>
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Unpin,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.get_mut() {
            Self::Untouched(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Whole(whole) => Poll::Ready(whole.take().map(|whole| Ok(Frame::data(whole)))),
            Self::Stream(body, events) => poll_events(Pin::new(body), events, context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Untouched(body) => body.is_end_stream(),
            Self::Whole(whole) => whole.is_none(),
            Self::Stream(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Untouched(body) => body.size_hint(),
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |whole| whole.len() as u64)),
            Self::Stream(..) => SizeHint::default(),
        }
    }
}

/// One event a frame, as soon as its line is whole. After the last one the upstream is only read to its end, so that the
/// connection can serve again.
fn poll_events<B>(
    mut body: Pin<&mut B>,
    events: &mut Events,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Failure>>>
where
    B: Body<Data = Bytes, Error: Into<Failure>>,
{
    loop {
        if let Some(event) = events.next() {
            return Poll::Ready(Some(Ok(Frame::data(event))));
        }
        let frame = ready!(body.as_mut().poll_frame(context));
        if events.ended() && !matches!(frame, Some(Ok(_))) {
            return Poll::Ready(None);
        }
        let fed = match frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| events.feed(data)),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => events.finish(),
        };
        if let Err(broken) = fed {
            return Poll::Ready(Some(Err(broken.into())));
        }
    }
}

#[cfg(test)]
mod tests;
