//! Why a call on the cache failed.

/// Why a call on the cache failed. The in-process adapter never fails.
///
/// For answers a failure is a miss; for sessions it is not ("no session" and "cannot tell" differ), so it is the
/// caller who decides.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The server behind the cache cannot be reached or answered with an error.
    #[error("the cache is not available: {0}")]
    Unavailable(String),
    /// The address of the server behind the cache cannot be used.
    #[error("the cache's address is not usable: {0}")]
    Address(String),
}
