//! Entries of the register that were seen lately.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kubemate_identity::TenantId;

use super::Entry;
use crate::SpaceId;

/// Most entries kept; all are forgotten then, which costs one look for each space that is used again.
const MOST: usize = 10_000;

/// Entries as last seen. Reading trusts them: the points of a space that another process has dropped are gone, so its
/// searches find nothing. Writing looks again.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<(TenantId, SpaceId), Entry>>);

impl Known {
    pub(super) fn get(&self, tenant: &TenantId, space: &SpaceId) -> Option<Entry> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(tenant.clone(), space.clone())).cloned()
    }

    /// Remembers what was seen; that a space is not there is never remembered.
    pub(super) fn set(&self, tenant: &TenantId, space: &SpaceId, entry: Option<Entry>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), space.clone());
        match entry {
            Some(entry) => {
                if known.len() >= MOST {
                    known.clear();
                }
                known.insert(key, entry);
            }
            None => {
                known.remove(&key);
            }
        }
    }
}
