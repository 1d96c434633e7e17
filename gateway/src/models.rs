//! Which models there are, who may use them and who answers for them.

pub(crate) mod assistants;
pub(crate) mod cl100k;
pub(crate) mod egress;
mod local;
mod prices;
mod usage;

pub(crate) use crate::routing::{Routes, Target, Upstream};
pub(crate) use egress::{Egress, Freight};
pub(crate) use local::{LocalModels, cache_folder, huge_pages};
pub(crate) use prices::Prices;
pub(crate) use usage::{Meter, UsageMeter};
