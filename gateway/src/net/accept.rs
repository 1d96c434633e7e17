//! Accepts connections and serves each with hyper, inside the limits of [`NetConfig`].

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http::{HeaderValue, Request, Response, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    guarded::{Deadlines, Guarded},
    link::{InFlightGuard, Link},
    pace::{Pace, Paced},
    streams::{Answer, Streams},
    violation::Violation,
    workers::{Seat, Workers},
};

/// Limits of the accept loop. The defaults are SECURITY-minded and fit direct exposure; times carry their unit.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetConfig {
    /// Longest wait from accept to the first byte.
    #[serde(with = "humantime_serde")]
    pub(crate) first_byte_timeout: Duration,
    /// Longest time a request head may take to arrive, and the first of an HTTP/2 connection to begin.
    #[serde(with = "humantime_serde")]
    pub(crate) header_timeout: Duration,
    /// A body must bring 1 KiB for each second of this window in which the server waits for it.
    #[serde(with = "humantime_serde")]
    pub(crate) body_window: Duration,
    /// Longest time a client may stop reading an answer.
    #[serde(with = "humantime_serde")]
    pub(crate) write_stall_timeout: Duration,
    /// Longest silence between two requests of a connection.
    #[serde(with = "humantime_serde")]
    pub(crate) keep_alive_timeout: Duration,
    /// Connections served at once; further ones wait in the kernel's queue.
    pub(crate) max_connections: usize,
    /// HTTP/2 streams of one connection at once (Envoy's edge guide: 100).
    pub(crate) max_streams: u32,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            first_byte_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            body_window: Duration::from_secs(10),
            write_stall_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(75),
            max_connections: 10_000,
            max_streams: 100,
        }
    }
}

/// Largest HTTP/2 header list, as the head limit of HTTP/1.
const H2_HEADER_LIST: u32 = 60 * 1024;

/// Who answers requests.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// The answer to `request`, whatever is wrong with it.
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

/// In the extensions of a request that came after the process was asked to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopping;

/// A bound socket, not yet serving.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    config: NetConfig,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The operating system's, with the address in the text.
    pub(crate) async fn bind(address: SocketAddr, config: NetConfig) -> io::Result<Self> {
        let named = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "; stop the program that listens there, or choose another port: `server.listen` in kubemate.toml, `--listen`, \
                     or `--port` of `cargo xtask up`"
                }
                _ => "",
            };
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}{hint}"))
        };
        Ok(Self { socket: TcpListener::bind(address).await.map_err(named)?, config })
    }

    /// The address really bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `answers` until this future is dropped. From `stop` on open requests finish and `connections` empties; new
    /// connections are still taken, not counted there, and their requests carry [`Stopping`]: a balancer that has not
    /// heard of the stop gets an answer instead of a closed door.
    pub(crate) async fn serve(
        self,
        answers: impl Answers,
        workers: Arc<Workers>,
        stop: CancellationToken,
        connections: TaskTracker,
    ) {
        let places = Arc::new(Semaphore::new(self.config.max_connections));
        while let Ok(place) = places.clone().acquire_owned().await {
            let (socket, peer) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            };
            let (Ok(socket), Some((worker, seat))) = (socket.into_std(), workers.seat()) else { continue };
            let late = stop.is_cancelled();
            let connection = Connection {
                answers: answers.clone(),
                config: self.config.clone(),
                peer,
                late,
                _counts: (place, seat),
            };
            if late {
                worker.spawn(connection.run(socket, CancellationToken::new()));
            } else {
                connections.spawn_on(connection.run(socket, stop.clone()), worker);
            }
        }
    }
}

/// A full file table must not turn the accept loop into a busy loop.
async fn pause_after(error: &io::Error) {
    warn!(error = %error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

struct Connection<A> {
    answers: A,
    config: NetConfig,
    peer: SocketAddr,
    /// Taken after the stop.
    late: bool,
    /// Of all connections, and of those on its thread.
    _counts: (OwnedSemaphorePermit, Seat),
}

impl<A: Answers> Connection<A> {
    /// Runs on the thread that the connection stays on.
    async fn run(self, socket: std::net::TcpStream, stop: CancellationToken) {
        let socket = match TcpStream::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => return warn!(error = %error, "a connection could not be watched"),
        };
        // Without it small frames wait for the peer's acknowledgement, some 40 ms.
        if let Err(error) = socket.set_nodelay(true) {
            debug!(error = %error, "TCP_NODELAY could not be set");
        }
        let link = Link::default();
        let retire = link.retire.clone();
        let io = TokioIo::new(Guarded::new(socket, deadlines(&self.config), link.clone()));
        let late = Late::new(self.late);
        let desk = Desk {
            answers: self.answers,
            peer: self.peer,
            pace: Pace::new(self.config.body_window),
            link,
            late: late.clone(),
        };
        let service = service_fn(move |request| desk.take(request));
        let builder = http_builder(&self.config);
        let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = late.or(stop, &retire) => {
                retire.cancel();
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(error = %error, "a connection ended early");
        }
    }
}

fn deadlines(config: &NetConfig) -> Deadlines {
    Deadlines {
        first_byte: config.first_byte_timeout,
        head: config.header_timeout,
        write_stall: config.write_stall_timeout,
        keep_alive: config.keep_alive_timeout,
    }
}

fn http_builder(config: &NetConfig) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams { write_stall: config.write_stall_timeout });
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_headers(128).half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(H2_HEADER_LIST)
        .keep_alive_interval(Some(config.keep_alive_timeout))
        .keep_alive_timeout(config.header_timeout);
    builder
}

/// Whether a connection counts as taken after the stop: it was, or the stop found it before its first request, which is
/// then told so rather than cut.
#[derive(Clone, Debug)]
struct Late(Arc<AtomicU8>);

const NEW: u8 = 0;
const ASKED: u8 = 1;
const LATE: u8 = 2;

impl Late {
    fn new(late: bool) -> Self {
        Self(Arc::new(AtomicU8::new(if late { LATE } else { NEW })))
    }

    /// A request is here; whether it came too late.
    fn asked(&self) -> bool {
        self.0.compare_exchange(NEW, ASKED, Ordering::AcqRel, Ordering::Acquire) == Err(LATE)
    }

    /// Ready when the connection has to end: at the stop once it was asked something, else with `retire` alone.
    async fn or(&self, stop: CancellationToken, retire: &CancellationToken) {
        tokio::select! {
            () = retire.cancelled() => return,
            () = stop.cancelled() => {}
        }
        if self.0.compare_exchange(NEW, LATE, Ordering::AcqRel, Ordering::Acquire) != Err(ASKED) {
            retire.cancelled().await;
        }
    }
}

/// Where the requests of one connection are handed to the router.
#[derive(Clone)]
struct Desk<A> {
    answers: A,
    peer: SocketAddr,
    pace: Pace,
    link: Link,
    late: Late,
}

impl<A: Answers> Desk<A> {
    /// The request counts from now on, not from the first time somebody looks at its answer: on HTTP/2 that is another task.
    fn take(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<A> {
        let open = self.link.in_flight.enter();
        let refused = self.link.noted.begin();
        let late = self.late.asked();
        if late {
            self.link.retire.cancel();
        }
        self.clone().answer(request, refused, open, late)
    }

    /// The connection counts as busy until the answer's body is done or dropped.
    async fn answer(
        self,
        request: Request<Incoming>,
        refused: Option<Violation>,
        open: InFlightGuard,
        late: bool,
    ) -> Result<Response<Answer>, Infallible> {
        let mut request = request.map(|body| Body::new(Paced::new(body, self.pace, self.link.noted)));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        if let Some(violation) = refused {
            request.extensions_mut().insert(violation);
        }
        if late {
            request.extensions_mut().insert(Stopping);
        }
        let mut response = self.answers.answer(request).await;
        if late {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answer::new(body, open)))
    }
}
