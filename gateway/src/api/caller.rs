//! Authentication is an extractor: a handler that takes a [`Caller`] cannot run for a stranger.

use std::{ops::Deref, sync::Arc};

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, header, request::Parts};
use kubemate_identity::{Caller as Identity, KeyHash, Scope};

use super::{ApiError, lasting::Presented};
use crate::{app::App, auth::KeyRingError};

/// The caller of a request, proved by its key.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Identity>);

impl Caller {
    /// Refuses a caller whose key does not hold `scope`.
    ///
    /// # Errors
    /// `Forbidden`, naming the scope that is missing.
    pub(crate) fn must(&self, scope: Scope) -> Result<(), ApiError> {
        if self.rights.allows(scope) {
            return Ok(());
        }
        Err(ApiError::Forbidden(format!("this key lacks the scope `{}`", scope.as_str())))
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let key = credential(&parts.headers)?;
        let hash = parts.extensions.get::<Presented>().map_or_else(|| KeyHash::of(key), |presented| presented.0);
        match App::from_ref(state).keys.verify(key, &hash).await {
            Ok(caller) => Ok(Self(caller)),
            Err(KeyRingError::Invalid) => Err(ApiError::InvalidKey),
            Err(KeyRingError::Ledger(error)) => Err(error.into()),
        }
    }
}

/// The one credential of a request: `authorization`, or the names that Azure's and Anthropic's clients use.
pub(super) fn credential(headers: &HeaderMap) -> Result<&str, ApiError> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.to_str().ok().and_then(bearer));
    let plain =
        ["x-api-key", "api-key"].into_iter().flat_map(|name| headers.get_all(name)).map(|value| value.to_str().ok());
    let mut sent = bearers.chain(plain);
    let first = sent.next().ok_or(ApiError::Unauthenticated)?;
    if sent.next().is_some() {
        return Err(ApiError::TwoCredentials);
    }
    first.map(str::trim).filter(|key| !key.is_empty()).ok_or(ApiError::Unauthenticated)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn one_credential_in_any_known_header_is_read() {
        assert_eq!(credential(&headers(&[("authorization", "Bearer km-1")])).unwrap(), "km-1");
        assert_eq!(credential(&headers(&[("authorization", "bearer km-1")])).unwrap(), "km-1");
        assert_eq!(credential(&headers(&[("x-api-key", "km-1")])).unwrap(), "km-1");
    }

    #[test]
    fn two_credentials_are_refused_even_when_equal() {
        let twice = headers(&[("authorization", "Bearer a"), ("x-api-key", "a")]);
        assert!(matches!(credential(&twice), Err(ApiError::TwoCredentials)));
        let same_header = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]);
        assert!(matches!(credential(&same_header), Err(ApiError::TwoCredentials)));
    }

    #[test]
    fn no_credential_or_another_scheme_is_a_stranger() {
        assert!(matches!(credential(&headers(&[])), Err(ApiError::Unauthenticated)));
        assert!(matches!(credential(&headers(&[("authorization", "Basic eA==")])), Err(ApiError::Unauthenticated)));
    }
}
