//! From the name in a request to the server that answers it: which one, how often it is tried, and what is learnt from
//! how it went.

mod ask;
mod body;
mod flight;
mod routes;
mod upstream;

pub(crate) use ask::{Answered, Ask, Why};
pub(crate) use body::{BodyError, UpstreamBody};
pub(crate) use flight::Flight;
pub(crate) use routes::{Routes, Target};
pub(crate) use upstream::Upstream;
