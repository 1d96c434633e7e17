//! Why a connection to an upstream is of no more use.

use std::io;

/// How a connection failed in the middle of something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Torn {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it was closed before the end of the message")]
    Ended,
    /// What came is not HTTP/1.1 as it is read here.
    #[error("what came is not readable: {0}")]
    Foreign(&'static str),
}

impl Torn {
    /// Whether the other side closed or reset the connection.
    pub(super) fn is_end(&self) -> bool {
        !matches!(self, Self::Foreign(_))
    }
}
