//! Who may administer what.

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use kubemate_identity::{Caller as Identity, Scope, TenantId};

use crate::{
    api::{ApiError, caller::Caller},
    app::App,
};

/// A caller with the scope `admin`. In the default tenant it administers the instance, in another one that tenant alone.
#[derive(Clone, Debug)]
pub(super) struct Operator(Caller);

impl Operator {
    /// The caller itself.
    pub(super) fn caller(&self) -> &Identity {
        &self.0
    }

    /// Whether all tenants are in reach.
    pub(super) fn of_instance(&self) -> bool {
        self.0.tenant == TenantId::default_tenant()
    }

    /// Refuses a caller who administers one tenant only.
    ///
    /// # Errors
    /// `Forbidden`.
    pub(super) fn must_be_of_instance(&self) -> Result<(), ApiError> {
        if self.of_instance() {
            return Ok(());
        }
        Err(ApiError::Forbidden("this key administers its own tenant only".to_owned()))
    }

    /// The tenant that the path names, if it is in reach.
    ///
    /// # Errors
    /// `NotFound` for any other, whether it exists or not.
    pub(super) fn tenant(&self, name: &str) -> Result<TenantId, ApiError> {
        let unknown = || ApiError::NotFound { kind: "tenant", id: name.to_owned() };
        let tenant = TenantId::parse(name).map_err(|_| unknown())?;
        if self.of_instance() || self.0.tenant == tenant { Ok(tenant) } else { Err(unknown()) }
    }
}

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.must(Scope::Admin)?;
        Ok(Self(caller))
    }
}
