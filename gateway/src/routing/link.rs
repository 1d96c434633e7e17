//! Connections to one upstream.
//!
//! A connection is driven by whoever waits for its answer, in the same task: no task of its own has to be woken for each
//! piece, and dropping the answer closes the connection at once. An idle connection is driven by nobody; whether the
//! other side has closed it shows when it is taken out again.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{Connection, SendRequest, handshake},
};
use tokio::time::{Instant, Sleep, sleep};

use super::clock::now_ms;
use crate::{
    models::egress::Wire,
    net::{worker, workers},
};

/// How long an unused connection is kept for the next request, in milliseconds. Below the 60 s after which common load
/// balancers forget one.
const IDLE_MS: u64 = 50_000;
/// What the alarm of a connection is set to before its first request.
const IDLE: Duration = Duration::from_millis(IDLE_MS);
/// Most unused connections of a shard.
const MOST_IDLE: usize = 512;

/// One connection, its alarm clock with it: setting one anew costs less than making one.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Box<Connection<Wire, Full<Bytes>>>,
    alive: bool,
    alarm: Pin<Box<Sleep>>,
    /// The shortest of the deadlines: how often the alarm looks which of them counts by now.
    step: Duration,
    idle_since: u64,
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Link").field("alive", &self.alive).finish_non_exhaustive()
    }
}

/// Why nothing came.
#[derive(Debug)]
pub(super) enum Silence {
    Broke(hyper::Error),
    Late,
}

impl Link {
    /// Speaks HTTP/1.1 on a new connection.
    ///
    /// # Errors
    /// hyper's.
    pub(super) async fn new(wire: Wire) -> Result<Self, hyper::Error> {
        let (sender, connection) = handshake(wire).await?;
        let alarm = Box::pin(sleep(Duration::ZERO));
        Ok(Self { sender, connection: Box::new(connection), alive: true, alarm, step: IDLE, idle_since: 0 })
    }

    /// Moves bytes in both directions as far as they go now.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if self.alive && Pin::new(&mut *self.connection).poll(context).is_ready() {
            self.alive = false;
        }
    }

    /// Sends `request` and waits for the head of its answer, not beyond `until`.
    ///
    /// # Errors
    /// `Late`, or hyper's.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<Response<Incoming>, Silence> {
        poll_fn(|context| {
            self.drive(context);
            self.sender.poll_ready(context)
        })
        .await
        .map_err(Silence::Broke)?;
        let mut answer = pin!(self.sender.send_request(request));
        poll_fn(|context| {
            if self.alive && Pin::new(&mut *self.connection).poll(context).is_ready() {
                self.alive = false;
            }
            if let Poll::Ready(answered) = answer.as_mut().poll(context) {
                return Poll::Ready(answered.map_err(Silence::Broke));
            }
            rings(&mut self.alarm, self.step, context, until).map(|()| Err(Silence::Late))
        })
        .await
    }

    /// Sets the alarm for a request whose shortest deadline is `step`.
    pub(super) fn arm(&mut self, step: Duration) {
        self.step = step;
        self.alarm.as_mut().reset(Instant::now() + step);
    }

    /// Ready once `until` is over.
    pub(super) fn overdue(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        rings(&mut self.alarm, self.step, context, until)
    }

    /// Whether another request can be sent.
    fn is_usable(&mut self, context: &mut Context<'_>) -> bool {
        self.drive(context);
        self.alive && !self.sender.is_closed()
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
    pub(super) async fn take(&self) -> Option<Link> {
        loop {
            let mut link = self.pop()?;
            let usable = poll_fn(|context| Poll::Ready(link.is_usable(context))).await;
            if usable && now_ms().saturating_sub(link.idle_since) < IDLE_MS {
                return Some(link);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn put(&self, mut link: Link, context: &mut Context<'_>) {
        if !link.is_usable(context) {
            return;
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
