//! A connection with deadlines: a client that is slow on purpose loses its place.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::framing::{Framing, REFUSED_PREFIX, Violation};

/// How long a connection may take for each part of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From accept to the first byte.
    pub(super) first_byte: Duration,
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Window in which a body must bring `body_floor` bytes, counted only while the server waits for them.
    pub(super) body_window: Duration,
    /// Least bytes per `body_window`.
    pub(super) body_floor: u64,
    /// Longest time a write may make no progress.
    pub(super) write_stall: Duration,
    /// Longest silence between two requests.
    pub(super) keep_alive: Duration,
}

/// Bytes read at once while heads are followed; most heads are far below. Bodies are read straight into the reader's buffer.
const READ_BYTES: usize = 4 * 1024;

/// Most bytes thrown away behind a refusal before the connection is dropped.
const MOST_DRAINED: usize = 256 * 1024;

/// How many requests of one connection are being answered: the client's silence is no fault while there are any.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// Counts one request until the guard is dropped.
    pub(super) fn enter(&self) -> InFlightGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Held by an answer until its last byte is written or its body is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard(InFlight);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Wraps a socket: follows the framing of what comes in, and holds every deadline.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    socket: S,
    framing: Framing,
    deadlines: Deadlines,
    opened: bool,
    refused: bool,
    /// Bytes read but not handed on; the first `checked` of them may go.
    pending: Vec<u8>,
    checked: usize,
    given: usize,
    wait: Pin<Box<Sleep>>,
    waiting_for: Waiting,
    body_bytes: u64,
    stall: Pin<Box<Sleep>>,
    stalled: bool,
    in_flight: InFlight,
    /// Bytes thrown away behind a refusal.
    drained: usize,
}

/// What the read deadline is running for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    FirstByte,
    Idle,
    Head,
    Body,
}

impl<S> Guarded<S> {
    pub(super) fn new(socket: S, deadlines: Deadlines, in_flight: InFlight) -> Self {
        let now = Instant::now();
        Self {
            socket,
            framing: Framing::default(),
            deadlines,
            opened: false,
            refused: false,
            pending: Vec::new(),
            checked: 0,
            given: 0,
            wait: Box::pin(sleep_until(now)),
            waiting_for: Waiting::Nothing,
            body_bytes: 0,
            stall: Box::pin(sleep_until(now)),
            stalled: false,
            in_flight,
            drained: 0,
        }
    }

    fn expected(&self) -> Waiting {
        match () {
            () if !self.opened => Waiting::FirstByte,
            () if self.framing.in_head() => Waiting::Head,
            () if self.framing.in_body() => Waiting::Body,
            () if self.framing.is_idle() && !self.in_flight.any() => Waiting::Idle,
            () => Waiting::Nothing,
        }
    }

    fn arm(&mut self, waiting: Waiting) {
        if self.waiting_for == waiting {
            return;
        }
        self.waiting_for = waiting;
        let span = match waiting {
            Waiting::Nothing => return,
            Waiting::FirstByte => self.deadlines.first_byte,
            Waiting::Idle => self.deadlines.keep_alive,
            Waiting::Head => self.deadlines.head,
            Waiting::Body => self.deadlines.body_window,
        };
        self.body_bytes = 0;
        self.wait.as_mut().reset(Instant::now() + span);
    }

    /// Decides what a read deadline that ran out means; `None` lets the connection go on.
    fn late(&mut self) -> Option<io::Result<()>> {
        match self.waiting_for {
            Waiting::Head => {
                self.refuse(Violation::HeadTimeout);
                None
            }
            Waiting::Body if self.body_bytes >= self.deadlines.body_floor => {
                self.waiting_for = Waiting::Nothing;
                self.arm(Waiting::Body);
                None
            }
            Waiting::Body => Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the body arrives too slowly"))),
            _ => Some(Ok(())), // end of file: the connection closes quietly
        }
    }

    /// Hands a request on that only carries the reason; nothing more is read from the client.
    fn refuse(&mut self, violation: Violation) {
        let request = format!(
            "POST {REFUSED_PREFIX}{} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            violation.slug()
        );
        self.pending.truncate(self.checked);
        self.pending.extend_from_slice(request.as_bytes());
        self.checked = self.pending.len();
        self.refused = true;
        self.waiting_for = Waiting::Nothing;
    }

    /// Heads are held back until they are whole and checked.
    fn take_in(&mut self, bytes: &[u8]) {
        self.note(bytes.len());
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let (good, violation) = match self.framing.feed(bytes) {
            Ok(good) => (good, None),
            Err((violation, good)) => (good, Some(violation)),
        };
        if good > 0 {
            self.checked = before + good;
            self.waiting_for = Waiting::Nothing; // what comes next has a deadline of its own
        }
        if let Some(violation) = violation {
            self.refuse(violation);
        }
    }

    /// Bytes came: the first-byte deadline is met, the body's floor is counted.
    fn note(&mut self, bytes: usize) {
        self.opened = true;
        self.body_bytes += bytes as u64;
    }

    fn give(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let ready = self.pending.get(self.given..self.checked).unwrap_or_default();
        if ready.is_empty() {
            return false;
        }
        let taken = ready.len().min(out.remaining());
        out.put_slice(ready.get(..taken).unwrap_or_default());
        self.given += taken;
        if self.given == self.pending.len() {
            self.pending.clear();
            self.checked = 0;
            self.given = 0;
        }
        true
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads what may pass unseen straight into `out`: the rest of a body, or HTTP/2.
    fn read_straight(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = usize::try_from(self.framing.open_road()).unwrap_or(usize::MAX).min(out.remaining());
        let mut part = ReadBuf::new(out.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        self.note(read);
        let passed = self.framing.feed(part.filled());
        debug_assert_eq!(passed, Ok(read), "body bytes hold no head");
        out.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Reads a piece in which a head may begin.
    fn read_followed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0u8; READ_BYTES];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece))?;
        self.take_in(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Behind a refusal, whatever still comes is thrown away: closing over unread bytes would take the answer with it.
    /// Not ready before the client is done; the refusal asked for the connection to be closed anyway.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0u8; READ_BYTES];
        while self.drained < MOST_DRAINED {
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                break;
            }
            self.drained += piece.filled().len();
        }
        Poll::Ready(Ok(()))
    }

    /// Holds the deadline of what is being waited for; ready when the connection has to end.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.arm(self.expected());
            if self.waiting_for == Waiting::Nothing {
                return Poll::Pending;
            }
            ready!(self.wait.as_mut().poll(cx));
            if let Some(end) = self.late() {
                return Poll::Ready(end);
            }
            if self.refused {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.give(out) {
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                return this.drain(cx);
            }
            if this.framing.open_road() > 0 {
                if let Poll::Ready(read) = this.read_straight(cx, out) {
                    return Poll::Ready(read);
                }
            } else if let Poll::Ready(read) = this.read_followed(cx) {
                match read? {
                    0 => return Poll::Ready(Ok(())),
                    _ => continue,
                }
            }
            ready!(this.poll_deadline(cx))?;
            if !this.refused {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Turns a write that makes no progress for too long into an error.
    fn watch<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = false;
            return progress;
        }
        if !self.stalled {
            self.stalled = true;
            self.stall.as_mut().reset(Instant::now() + self.deadlines.write_stall);
        }
        ready!(self.stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.watch(cx, progress)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        this.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
