//! The accept loop: connections from outside, with deadlines and strict HTTP framing.

mod accept;
mod frames;
mod framing;
mod guarded;
mod link;
mod pace;
mod space;
mod streams;
mod violation;
mod workers;

pub(crate) use accept::{Answers, Listener, NetConfig, Stopping};
pub(crate) use framing::is_host;
pub(crate) use pace::BodyFault;
pub(crate) use space::with_space;
pub(crate) use violation::Violation;
pub(crate) use workers::{Workers, worker, workers};
