//! A connection with deadlines: a client that is slow on purpose loses its place.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{framing::Framing, link::Link, space::with_space, violation::Violation};

/// How long a connection may take for each part of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// From accept to the first byte.
    pub(super) first_byte: Duration,
    /// From the first byte of a head to its last; on HTTP/2 also from the preface to the first head.
    pub(super) head: Duration,
    /// Longest time a write may make no progress.
    pub(super) write_stall: Duration,
    /// Longest silence between two requests.
    pub(super) keep_alive: Duration,
}

/// Bytes read at once while heads are followed; most heads are far below. Bodies are read straight into the reader's buffer.
const READ_BYTES: usize = 4 * 1024;

/// Most bytes thrown away behind a refusal before the connection is dropped.
const MOST_DRAINED: usize = 256 * 1024;

/// How long what follows a refusal is thrown away before the connection is dropped.
const LINGER: Duration = Duration::from_secs(2);

/// Wraps a socket: follows the framing of what comes in, and holds every deadline.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    socket: S,
    framing: Framing,
    deadlines: Deadlines,
    opened: bool,
    /// Nothing more is taken from the client.
    refused: bool,
    /// What was refused stood in a body: the reader of that body is told instead of a new request.
    broken: bool,
    /// Bytes read but not handed on; the first `checked` of them may go.
    pending: Vec<u8>,
    checked: usize,
    given: usize,
    wait: Pin<Box<Sleep>>,
    /// When what is waited for has to be there.
    due: Instant,
    waiting_for: Waiting,
    stall: Pin<Box<Sleep>>,
    stalled: bool,
    /// Our side of the socket is closed; what still comes is thrown away.
    shut: bool,
    link: Link,
    /// Bytes thrown away behind a refusal.
    drained: usize,
}

/// Stands for a request that could not be read. What it says is of no matter: it is known by its place.
const CARRIER: &[u8] = b"POST / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What the read deadline is running for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    FirstByte,
    Idle,
    Head,
    /// The end of a connection that was asked to end.
    Leaving,
}

impl<S> Guarded<S> {
    pub(super) fn new(socket: S, deadlines: Deadlines, link: Link) -> Self {
        let now = Instant::now();
        Self {
            socket,
            framing: Framing::default(),
            deadlines,
            opened: false,
            refused: false,
            broken: false,
            pending: Vec::new(),
            checked: 0,
            given: 0,
            wait: Box::pin(sleep_until(now)),
            due: now,
            waiting_for: Waiting::Nothing,
            stall: Box::pin(sleep_until(now)),
            stalled: false,
            shut: false,
            link,
            drained: 0,
        }
    }

    /// The pace of bodies and of answers is held elsewhere: by the body that is read, and by each stream.
    fn expected(&self, waker: &Waker) -> Waiting {
        let busy = self.link.in_flight.any(waker);
        match () {
            () if !self.opened => Waiting::FirstByte,
            () if !busy && self.link.retire.is_cancelled() => Waiting::Leaving,
            () if self.framing.in_head() => Waiting::Head,
            () if busy || self.framing.in_body() => Waiting::Nothing,
            () => Waiting::Idle,
        }
    }

    /// A deadline that runs goes on: only a whole head starts it anew, not some bytes of something.
    fn arm(&mut self, waiting: Waiting) {
        if self.waiting_for == waiting {
            return;
        }
        self.waiting_for = waiting;
        let span = match waiting {
            Waiting::Nothing => return,
            Waiting::FirstByte => self.deadlines.first_byte,
            Waiting::Idle => self.deadlines.keep_alive,
            Waiting::Head | Waiting::Leaving => self.deadlines.head,
        };
        self.due = Instant::now() + span;
        // One that rings sooner looks then what is due by now: setting it anew for each request costs more.
        if self.wait.is_elapsed() || self.wait.deadline() > self.due {
            self.wait.as_mut().reset(self.due);
        }
    }

    /// Decides what a read deadline that ran out means; `None` lets the connection go on.
    fn late(&mut self) -> Option<io::Result<()>> {
        match self.waiting_for {
            Waiting::Head | Waiting::Idle if self.framing.between_blocks() => {
                self.link.retire.cancel();
                None
            }
            Waiting::Head if !self.framing.is_http2() && !self.framing.only_blank() => {
                self.refuse(Violation::HeadTimeout);
                None
            }
            _ => Some(Ok(())), // end of file: the connection closes quietly
        }
    }

    /// Nothing more is read from the client. In front of a head, a request is handed on that only carries the reason;
    /// within a body, its reader gets an error.
    fn refuse(&mut self, violation: Violation) {
        self.pending.truncate(self.checked);
        self.refused = true;
        self.waiting_for = Waiting::Nothing;
        self.link.noted.set(violation, self.framing.heads());
        if self.framing.in_body() {
            self.broken = true;
            return;
        }
        self.pending.extend_from_slice(CARRIER);
        self.checked = self.pending.len();
    }

    /// Heads are held back until they are whole and checked.
    fn take_in(&mut self, bytes: &[u8]) {
        self.opened = true;
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let (good, violation) = self.follow(bytes);
        if good > 0 {
            self.checked = before + good;
        }
        if let Some(violation) = violation {
            self.refuse(violation);
        }
    }

    /// Feeds the framing; behind a whole head, what comes next has a deadline of its own.
    fn follow(&mut self, bytes: &[u8]) -> (usize, Option<Violation>) {
        let heads = self.framing.heads();
        let (good, violation) = match self.framing.feed(bytes) {
            Ok(good) => (good, None),
            Err((violation, good)) => (good, Some(violation)),
        };
        if self.framing.heads() > heads {
            self.waiting_for = Waiting::Nothing;
        }
        (good, violation)
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
        self.opened = true;
        let passed = self.follow(part.filled());
        debug_assert_eq!(passed, (read, None), "body bytes hold no head");
        out.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Reads a piece in which a head may begin.
    fn read_followed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        with_space(|space| {
            let mut piece = ReadBuf::new(space.get_mut(..READ_BYTES).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece))?;
            self.take_in(piece.filled());
            Poll::Ready(Ok(piece.filled().len()))
        })
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
            self.arm(self.expected(cx.waker()));
            if self.waiting_for == Waiting::Nothing {
                return Poll::Pending;
            }
            ready!(self.wait.as_mut().poll(cx));
            if Instant::now() < self.due {
                self.wait.as_mut().reset(self.due);
                continue;
            }
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
            if this.broken {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the body is malformed")));
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
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

    /// Closing over unread bytes would take a refusal with it: they are thrown away for a while first.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.shut = true;
            this.stall.as_mut().reset(Instant::now() + LINGER);
        }
        if !this.refused || this.drain(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        this.stall.as_mut().poll(cx).map(Ok)
    }
}
