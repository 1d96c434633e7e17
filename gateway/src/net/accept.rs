//! Accepts connections and serves each with hyper, inside the limits of [`NetConfig`].

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Request;
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::guarded::{Deadlines, Guarded, InFlight};

/// Limits of the accept loop. The defaults are SECURITY-minded and fit direct exposure; times carry their unit.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetConfig {
    /// Longest wait from accept to the first byte.
    #[serde(with = "humantime_serde")]
    pub(crate) first_byte_timeout: Duration,
    /// Longest time a request head may take to arrive.
    #[serde(with = "humantime_serde")]
    pub(crate) header_timeout: Duration,
    /// A body must bring 1 KiB for each second of this window.
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

/// Least bytes a second that a request body must bring.
const BODY_FLOOR_PER_SECOND: u64 = 1024;
/// Largest HTTP/2 header list, as the head limit of HTTP/1.
const H2_HEADER_LIST: u32 = 60 * 1024;

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
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        Ok(Self { socket: TcpListener::bind(address).await.map_err(named)?, config })
    }

    /// The address really bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `router` until `stop`; then no new connection is taken, open requests finish, and `connections` empties.
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken, connections: TaskTracker) {
        let places = std::sync::Arc::new(Semaphore::new(self.config.max_connections));
        loop {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place,
                () = stop.cancelled() => return,
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match (accepted, place) {
                (Ok((socket, peer)), Ok(place)) => {
                    let connection = Connection { router: router.clone(), config: self.config.clone(), peer, place };
                    connections.spawn(connection.run(socket, stop.clone()));
                }
                (Err(error), _) => pause_after(&error).await,
                (_, Err(_)) => return,
            }
        }
    }
}

/// A full file table must not turn the accept loop into a busy loop.
async fn pause_after(error: &io::Error) {
    warn!(error = %error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

struct Connection {
    router: Router,
    config: NetConfig,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, socket: TcpStream, stop: CancellationToken) {
        // Without it small frames wait for the peer's acknowledgement, some 40 ms.
        if let Err(error) = socket.set_nodelay(true) {
            debug!(error = %error, "TCP_NODELAY could not be set");
        }
        let in_flight = InFlight::default();
        let io = TokioIo::new(Guarded::new(socket, self.deadlines(), in_flight.clone()));
        let (router, peer) = (self.router, self.peer);
        let service = service_fn(move |request| answer(router.clone(), request, peer, in_flight.clone()));
        let builder = http_builder(&self.config);
        let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(error = %error, "a connection ended early");
        }
        drop(self.place);
    }

    fn deadlines(&self) -> Deadlines {
        let config = &self.config;
        Deadlines {
            first_byte: config.first_byte_timeout,
            head: config.header_timeout,
            body_window: config.body_window,
            body_floor: config.body_window.as_secs() * BODY_FLOOR_PER_SECOND,
            write_stall: config.write_stall_timeout,
            keep_alive: config.keep_alive_timeout,
        }
    }
}

fn http_builder(config: &NetConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
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

/// Hands one request to the router; the connection counts as busy until the answer's body is done or dropped.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    in_flight: InFlight,
) -> Result<http::Response<Body>, Infallible> {
    let guard = in_flight.enter();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &guard;
            frame
        }))
    }))
}
