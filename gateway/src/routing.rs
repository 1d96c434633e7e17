//! From the name in a request to the server that answers it: which one, how often it is tried, and what is learnt from
//! how it went.

mod affinity;
mod ask;
mod body;
mod budget;
mod canary;
mod check;
mod clock;
mod config;
mod dispatch;
mod edit;
mod explain;
mod flight;
mod health;
mod incoming;
mod latency;
mod link;
mod meters;
mod reply;
mod route;
mod routes;
mod salt;
mod table;
mod torn;
mod upstream;
mod watch;

pub(crate) use ask::{Answered, Ask, Why};
pub(crate) use body::{BodyError, UpstreamBody};
pub(crate) use check::check;
pub(crate) use config::{ModelConfig, UpstreamConfig, UpstreamKind};
pub(crate) use edit::{Edit, Entry, Kind};
pub(crate) use explain::{Explanation, RouteState, TargetState};
pub(crate) use flight::Flight;
pub(crate) use routes::{Routes, Target};
pub(crate) use table::Spec;
pub(crate) use upstream::Upstream;
pub(crate) use watch::{list, watch};
