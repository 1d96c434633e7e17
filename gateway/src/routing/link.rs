//! Connections to one upstream: HTTP/1.1, one request after the other.
//!
//! A connection is driven by whoever waits for its answer, in the same task: no task of its own has to be woken for each
//! piece, and dropping the answer closes the connection at once. An idle connection is driven by nobody; whether the
//! other side has closed it shows when it is taken out again.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::IoSlice,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{clock::now_ms, reply::Reply, torn::Torn};
use crate::{
    models::egress::Wire,
    net::{with_space, worker, workers},
};

/// How long an unused connection is kept for the next request, in milliseconds. Below the 60 s after which common load
/// balancers forget one.
const IDLE_MS: u64 = 50_000;
/// What the alarm of a connection is set to before its first request.
const IDLE: Duration = Duration::from_millis(IDLE_MS);
/// Most bytes of room that an unused connection keeps to read into.
const MOST_KEPT: usize = 8 * 1024;
/// Most unused connections of a shard.
const MOST_IDLE: usize = 512;

/// One connection, its alarm clock with it: setting one anew costs less than making one.
#[derive(Debug)]
pub(super) struct Link {
    wire: Wire,
    /// What has come and nobody has taken.
    pub(super) read: BytesMut,
    /// Whether much has come at once: then `read` may hold much room.
    wide: bool,
    /// Whether it serves another request behind this one.
    lasts: bool,
    alarm: Pin<Box<Sleep>>,
    /// The shortest of the deadlines: how often the alarm looks which of them counts by now.
    step: Duration,
    idle_since: u64,
}

/// Why nothing came.
#[derive(Debug)]
pub(super) enum Silence {
    /// The connection was of no use before a byte of the request had left.
    Unsent(Torn),
    Broke(Torn),
    Late,
}

impl Link {
    /// Speaks HTTP/1.1 on a new connection.
    pub(super) fn new(wire: Wire) -> Self {
        let alarm = Box::pin(sleep(Duration::ZERO));
        Self { wire, read: BytesMut::new(), wide: false, lasts: true, alarm, step: IDLE, idle_since: 0 }
    }

    /// Sends a request and waits for the head of its answer, not beyond `until`.
    ///
    /// # Errors
    /// See [`Silence`].
    pub(super) async fn send(&mut self, head: &[u8], body: &[u8], until: Instant) -> Result<Reply, Silence> {
        let mut sent = 0;
        poll_fn(|context| {
            if let Poll::Ready(answered) = self.poll_exchange(context, [head, body], &mut sent) {
                return Poll::Ready(answered);
            }
            self.overdue(context, until).map(|()| Err(Silence::Late))
        })
        .await
    }

    /// An answer may come before the whole request has left, such as a refusal of its size: then the connection is of no
    /// more use, but the answer counts.
    fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        parts: [&[u8]; 2],
        sent: &mut usize,
    ) -> Poll<Result<Reply, Silence>> {
        let written = self.poll_send(context, parts, sent);
        if *sent == 0
            && let Poll::Ready(Err(error)) = written
        {
            return Poll::Ready(Err(Silence::Unsent(error)));
        }
        match (self.poll_reply(context), written) {
            (Poll::Ready(Ok(reply)), written) => {
                self.lasts = reply.lasts && matches!(written, Poll::Ready(Ok(())));
                Poll::Ready(Ok(reply))
            }
            (_, Poll::Ready(Err(error))) => Poll::Ready(Err(Silence::Broke(error))),
            (reply, _) => reply.map_err(Silence::Broke),
        }
    }

    /// Head and body leave together.
    fn poll_send(&mut self, context: &mut Context<'_>, parts: [&[u8]; 2], sent: &mut usize) -> Poll<Result<(), Torn>> {
        let [head, body] = parts;
        while *sent < head.len() + body.len() {
            let left = [
                IoSlice::new(head.get(*sent..).unwrap_or_default()),
                IoSlice::new(body.get(sent.saturating_sub(head.len())..).unwrap_or_default()),
            ];
            // TLS takes one slice, and that must not be an empty one.
            let first = usize::from(*sent >= head.len());
            let left = left.get(first..).unwrap_or_default();
            match ready!(Pin::new(&mut self.wire).poll_write_vectored(context, left))? {
                0 => return Poll::Ready(Err(Torn::Ended)),
                taken => *sent += taken,
            }
        }
        Pin::new(&mut self.wire).poll_flush(context).map_err(Torn::from)
    }

    fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<Result<Reply, Torn>> {
        loop {
            if let Some((reply, length)) = Reply::read(&self.read)? {
                self.read.advance(length);
                if reply.is_interim() {
                    continue;
                }
                return Poll::Ready(Ok(reply));
            }
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Err(Torn::Ended));
            }
        }
    }

    /// Reads once; how many bytes came, 0 at the end of the connection.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, Torn>> {
        with_space(|space| {
            let mut piece = ReadBuf::new(space);
            ready!(Pin::new(&mut self.wire).poll_read(context, &mut piece))?;
            self.read.extend_from_slice(piece.filled());
            self.wide |= piece.filled().len() > MOST_KEPT;
            Poll::Ready(Ok(piece.filled().len()))
        })
    }

    /// Sets the alarm for a request whose shortest deadline is `step`. An alarm that rings sooner stays: it looks then
    /// which deadline counts.
    pub(super) fn arm(&mut self, step: Duration) {
        self.step = step;
        let now = Instant::now();
        if self.alarm.is_elapsed() || self.alarm.deadline() <= now || self.alarm.deadline() > now + step {
            self.alarm.as_mut().reset(now + step);
        }
    }

    /// Ready once `until` is over.
    pub(super) fn overdue(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        rings(&mut self.alarm, self.step, context, until)
    }

    /// Whether another request can be sent: nothing was said that nobody asked for, and nobody has closed.
    fn is_usable(&mut self) -> bool {
        let mut unheard = Context::from_waker(Waker::noop());
        self.lasts && self.read.is_empty() && self.poll_fill(&mut unheard).is_pending()
    }
}

/// The alarm rings early rather than being set anew for each piece: then it is seen which deadline counts by now.
fn rings(alarm: &mut Pin<Box<Sleep>>, step: Duration, context: &mut Context<'_>, until: Instant) -> Poll<()> {
    loop {
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if Instant::now() >= until {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(until.min(Instant::now() + step));
    }
}

/// Unused connections, those last used first. Each thread that serves connections keeps its own, because a connection is
/// woken where it was made; all other threads share the last shard.
#[derive(Debug)]
pub(super) struct Pool {
    shards: Box<[Mutex<VecDeque<Link>>]>,
}

impl Default for Pool {
    fn default() -> Self {
        Self { shards: (0..=workers()).map(|_| Mutex::default()).collect() }
    }
}

impl Pool {
    /// An unused connection that the other side has not closed.
    pub(super) fn take(&self) -> Option<Link> {
        loop {
            let mut link = self.pop()?;
            if now_ms().saturating_sub(link.idle_since) < IDLE_MS && link.is_usable() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn put(&self, mut link: Link) {
        if !link.lasts || !link.read.is_empty() {
            return;
        }
        if std::mem::take(&mut link.wide) {
            link.read = BytesMut::new();
        }
        link.idle_since = now_ms();
        let own = self.own();
        if let Some(mut shard) = self.shards.get(own).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
            && shard.len() < MOST_IDLE
        {
            shard.push_back(link);
        }
    }

    /// Closes those that nobody has used for long.
    pub(super) fn sweep(&self) {
        let now = now_ms();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            while shard.front().is_some_and(|link| now.saturating_sub(link.idle_since) >= IDLE_MS) {
                shard.pop_front();
            }
        }
    }

    fn pop(&self) -> Option<Link> {
        let shard = self.shards.get(self.own())?;
        shard.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }

    /// The shard of this thread.
    fn own(&self) -> usize {
        worker().unwrap_or_else(workers)
    }
}
