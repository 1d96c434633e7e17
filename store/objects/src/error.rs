//! Why a call on the object store failed.

use std::io;

use crate::ObjectKey;

/// Why a call on the object store failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// A key that could leave its folder or that some store cannot hold.
    #[error("`{0}` is not an object key: parts of letters, digits, `.`, `_`, `-`, joined by `/`, at most 512 bytes")]
    BadKey(String),
    /// No object under this key for this tenant.
    #[error("object `{0}` does not exist")]
    NotFound(ObjectKey),
    /// The bytes to be stored stopped coming; nothing was stored.
    #[error("the body ended early: {0}")]
    Body(#[source] io::Error),
    /// No room left; nothing was stored. An object that was there before is unchanged.
    #[error("no space left on the device that holds the objects")]
    DiskFull,
    /// A range that starts past the end of the object, or ends before it starts.
    #[error("bytes {start}..{end} are not in an object of {length} bytes")]
    BadRange {
        /// First byte asked for.
        start: u64,
        /// End asked for, exclusive.
        end: u64,
        /// Length of the object.
        length: u64,
    },
    /// The store cannot be used as it is configured: what is wrong, for operators.
    #[error("{0}")]
    Setup(String),
    /// The device or the server failed.
    #[error("the object store failed: {0}")]
    Store(#[source] io::Error),
}

impl ObjectsError {
    /// Sorts a failure of the system into the variant that says what to do about it.
    pub(crate) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Store(error),
        }
    }
}
