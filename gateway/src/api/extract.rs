//! axum's extractors, refusing in the API's own error shape.

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Multipart, Request},
};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::ApiError;

/// The query string.
#[derive(Clone, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extract::<axum::extract::Query<T>>().await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(error) => Err(ApiError::Invalid { message: error.body_text(), param: None, code: None }),
        }
    }
}

/// The parts of the path that a route names.
#[derive(Clone, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send + 'static,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extract::<axum::extract::Path<T>>().await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(error) => Err(ApiError::Invalid { message: error.body_text(), param: None, code: None }),
        }
    }
}

/// A form with files.
#[derive(Debug)]
pub(crate) struct Upload(pub(crate) Multipart);

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let form = Multipart::from_request(request, state).await;
        form.map(Self).map_err(|_| ApiError::UnsupportedMediaType("multipart/form-data; boundary=…"))
    }
}
