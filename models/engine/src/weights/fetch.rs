//! The door to the network, which this room does not open itself.

use bytes::Bytes;
use futures::stream::BoxStream;

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection: no network, no such host, refused, or the policy forbids it.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The server answered with something other than success.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP status code.
        status: u16,
    },
    /// The connection broke in the middle.
    #[error("the connection to {url} broke: {reason}")]
    Broken {
        /// What was asked for.
        url: String,
        /// What the network said.
        reason: String,
    },
}

/// The beginning of an answer: its body streams.
pub struct Fetched {
    /// The first byte of the file that `body` holds: the asked-for offset when the server honours ranges, else 0.
    pub from: u64,
    /// How many bytes `body` will hold, when the server says so.
    pub length: Option<u64>,
    /// The bytes.
    pub body: BoxStream<'static, Result<Bytes, FetchError>>,
}

/// Gets files over HTTP. The gateway implements this with its one egress function, which decides what may be
/// reached.
#[async_trait::async_trait]
pub trait Fetch: Send + Sync {
    /// Streams the file at `url` beginning at byte `from`.
    ///
    /// `from > 0` sends `Range: bytes={from}-`; a server that answers 200 instead of 206 sends all, and `Fetched::from`
    /// is 0 then. Content is not decoded: the adapter sends `Accept-Encoding: identity`.
    ///
    /// # Errors
    /// `Status` for an answer other than 200 and 206 (416 included), `Unreachable` when there was none.
    async fn get(&self, url: &str, accept: Option<&str>, from: u64) -> Result<Fetched, FetchError>;
}

/// Watches a long piece of work, to draw a bar for instance. Every `begin` is followed by one `end`.
pub trait Progress: Send + Sync {
    /// A piece of work begins; `total_bytes` when its size is known.
    fn begin(&self, what: &str, total_bytes: Option<u64>);
    /// So many bytes more are done.
    fn advance(&self, bytes: u64);
    /// The piece of work is over, well or not.
    fn end(&self);
}

/// Watches nothing.
impl Progress for () {
    fn begin(&self, _what: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}
