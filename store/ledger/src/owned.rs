//! Rows that are known to belong to a tenant.

use std::ops::Deref;

use kubemate_identity::TenantId;

/// A row that was looked up under its tenant. Only this crate makes one, so a function that takes
/// `Owned<T>` cannot be handed another tenant's object.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned<T> {
    tenant: TenantId,
    row: T,
}

impl<T> Owned<T> {
    /// Vouches that `row` was found or written under `tenant`.
    pub(crate) fn new(tenant: &TenantId, row: T) -> Self {
        Self { tenant: tenant.clone(), row }
    }

    /// The tenant the row belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The row without its proof of ownership.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.row
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.row
    }
}
