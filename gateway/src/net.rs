//! The accept loop: connections from outside, with deadlines and strict HTTP framing.

mod accept;
mod framing;
mod guarded;

pub(crate) use accept::{Listener, NetConfig};
pub(crate) use framing::{REFUSED_PREFIX, Violation};
