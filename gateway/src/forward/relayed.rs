//! Bodies on their way from an upstream to a client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    Broken,
    counts::{Counts, Tail, Told},
    events::Events,
};
use crate::routing::{BodyError, UpstreamBody};

/// A plain answer: counted, not changed.
#[derive(Debug)]
pub(super) struct Plain {
    incoming: UpstreamBody,
    counts: Counts,
    tail: Tail,
}

impl Plain {
    pub(super) fn new(incoming: UpstreamBody, counts: Counts) -> Self {
        Self { incoming, counts, tail: Tail::default() }
    }

    fn see(&mut self, data: &[u8]) {
        self.counts.began();
        let ends = self.incoming.is_end_stream();
        if let Some(told) = ends.then(|| self.tail.counts_of_whole(data)).flatten() {
            return self.settle(told);
        }
        self.tail.see(data);
        if ends {
            let told = self.tail.counts();
            self.settle(told);
        }
    }

    fn settle(&mut self, told: Option<Told>) {
        told.into_iter().for_each(|told| self.counts.tell(told));
        self.counts.ended();
    }
}

impl Body for Plain {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|data| self.see(data)),
            Some(Err(_)) => self.counts.failed(),
            None => {
                let told = self.tail.counts();
                self.settle(told);
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Broken::Upstream)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An event stream: whole events, as they come.
#[derive(Debug)]
pub(super) struct Streamed {
    incoming: UpstreamBody,
    events: Events,
}

impl Streamed {
    pub(super) fn new(incoming: UpstreamBody, events: Events) -> Self {
        Self { incoming, events }
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Option<Option<Result<Bytes, Broken>>> {
        match frame {
            Some(Ok(frame)) => {
                let left = frame.into_data().map_or_else(|_| Ok(Bytes::new()), |data| self.events.feed(data));
                match left {
                    Ok(bytes) if bytes.is_empty() => None,
                    left => Some(Some(left)),
                }
            }
            Some(Err(error)) => {
                self.events.failed();
                Some(Some(Err(Broken::Upstream(error))))
            }
            None => Some(self.events.close().transpose()),
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Broken;

    /// After the answer's last event the upstream is only read to its end, so that the connection can serve again.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
            if self.events.is_done() && !matches!(frame, Some(Ok(_))) {
                return Poll::Ready(None);
            }
            if let Some(left) = self.take(frame) {
                return Poll::Ready(left.map(|left| left.map(Frame::data)));
            }
        }
    }
}
