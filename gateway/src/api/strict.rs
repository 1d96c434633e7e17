//! What is refused before any handler runs.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{Version, header};

use super::ApiError;
use crate::net::{REFUSED_PREFIX, Violation};

/// Names under which clients of other products put keys into the query string.
const KEY_NAMES: [&str; 6] = ["api_key", "api-key", "apikey", "key", "access_token", "token"];

/// Refuses framing violations that the accept loop found, keys in the query string and encoded bodies.
pub(super) async fn refuse_bad_requests(request: Request, next: Next) -> Result<Response, ApiError> {
    if let Some(slug) = request.uri().path().strip_prefix(REFUSED_PREFIX) {
        return Err(refusal(slug));
    }
    if request.version() == Version::HTTP_2 {
        check_authority(&request)?;
    }
    if request.uri().query().is_some_and(names_a_key) {
        return Err(ApiError::KeyInQuery);
    }
    check_encoding(&request)?;
    Ok(next.run(request).await)
}

fn refusal(slug: &str) -> ApiError {
    match Violation::from_slug(slug) {
        Some(violation @ Violation::HeadTimeout) => ApiError::RequestTimeout(violation.message()),
        Some(violation) => ApiError::Refused(violation.message()),
        None => ApiError::UnknownPath,
    }
}

/// HTTP/2 names the host in `:authority`; a `host` line beside it must agree.
fn check_authority(request: &Request) -> Result<(), ApiError> {
    let refused = ApiError::Refused(Violation::Host.message());
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
    match (request.uri().authority(), hosts.as_slice()) {
        (Some(_), []) | (None, [_]) => Ok(()),
        (Some(authority), [host]) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => Ok(()),
        _ => Err(refused),
    }
}

fn names_a_key(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        KEY_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

fn check_encoding(request: &Request) -> Result<(), ApiError> {
    match request.headers().get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(encoding) => {
            Err(ApiError::UnsupportedEncoding(encoding.to_str().unwrap_or("?").chars().take(32).collect()))
        }
    }
}
