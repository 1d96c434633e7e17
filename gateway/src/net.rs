//! The accept loop: connections from outside, with deadlines and strict HTTP framing.

mod accept;
mod frames;
mod framing;
mod guarded;
mod link;
mod pace;
mod streams;
mod violation;

pub(crate) use accept::{Listener, NetConfig, Stopping};
pub(crate) use framing::is_host;
pub(crate) use pace::BodyFault;
pub(crate) use violation::Violation;
