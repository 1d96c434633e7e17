//! Who is calling: the key ring, and the trail of what was done.

mod audit;
mod issue;
mod keyring;

pub(crate) use audit::{AuditTrail, Deed, model_call};
pub(crate) use issue::{Issued, Wanted, issue, rights};
pub(crate) use keyring::{ADMIN_KEY, KeyRing, KeyRingError};

/// Project of keys that name none.
const DEFAULT_PROJECT: &str = "default";
