//! Who is calling: the key ring, and the trail of what was done.

mod audit;
mod keyring;

pub(crate) use audit::{AuditTrail, Deed};
pub(crate) use keyring::{KeyRing, KeyRingError};
