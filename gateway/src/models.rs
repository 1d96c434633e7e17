//! Which models there are, who may use them and who answers for them.

pub(crate) mod assistants;
pub(crate) mod cl100k;
mod egress;
mod local;
mod routes;
mod upstream;
mod usage;

pub(crate) use egress::Egress;
pub(crate) use local::{LocalModels, cache_folder};
pub(crate) use routes::{Routes, Target};
pub(crate) use upstream::Upstream;
pub(crate) use usage::{Meter, UsageMeter};
