//! What may be lost: answers kept for a while, and counters.
//!
//! The room holds the traits [`Cache`] and [`Counter`], the in-process adapter [`Local`], the adapter [`Redis`] that
//! processes share, the decorators [`Sealed`] and [`Tiered`], the in-memory fake [`MemoryCache`] for tests of other
//! rooms, and [`conformance`], the one suite that every adapter runs.

mod claim;
mod config;
pub mod conformance;
mod counts;
mod error;
mod key;
mod local;
mod memory;
mod redis;
mod sealed;
mod store;
mod tiered;

pub use claim::{Claim, Reserved, Settlement, Span, Standing, Verdict};
pub use config::{CacheConfig, RedisConfig};
pub use error::CacheError;
pub use key::CacheKey;
pub use local::Local;
pub use memory::MemoryCache;
pub use redis::Redis;
pub use sealed::Sealed;
pub use store::{Cache, Counter, Held};
pub use tiered::Tiered;
