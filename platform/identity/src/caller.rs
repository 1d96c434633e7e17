//! The authenticated caller of a request.

use crate::{KeyId, ProjectId, Rights, Scope, TenantId};

/// Who a request acts for. Made by the gateway's one extractor and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant whose data the request may see.
    pub tenant: TenantId,
    /// The project that usage is booked on.
    pub project: ProjectId,
    /// The key that was shown.
    pub key: KeyId,
    /// What may be done: already narrowed to the rights of the key's makers.
    pub rights: Rights,
}

impl Caller {
    /// Whether this is an operator of the instance, who may use the admin API.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.rights.allows(Scope::Admin)
    }
}
