//! What is refused before any handler runs.

use axum::{
    extract::{Query, Request},
    middleware::Next,
    response::Response,
};
use http::{Method, Uri, Version, header};

use super::{ApiError, operations};
use crate::net::{Stopping, Violation, is_host};

/// Names under which clients of other products put keys into the query string.
const KEY_NAMES: [&str; 7] = ["api_key", "api-key", "apikey", "key", "access_token", "token", "authorization"];

/// Refuses framing violations that the accept loop found, requests to a server that stops, keys in the query string and
/// encoded bodies.
pub(super) async fn refuse_bad_requests(request: Request, next: Next) -> Result<Response, ApiError> {
    check(&request)?;
    Ok(next.run(request).await)
}

/// What [`refuse_bad_requests`] refuses.
///
/// # Errors
/// The first thing that is wrong with the request's head.
pub(super) fn check(request: &Request) -> Result<(), ApiError> {
    if let Some(violation) = request.extensions().get::<Violation>() {
        return Err(refusal(*violation));
    }
    if request.version() == Version::HTTP_2 {
        check_http2(request)?;
    }
    if request.extensions().get::<Stopping>().is_some() && !operations::PATHS.contains(&request.uri().path()) {
        return Err(ApiError::Stopping);
    }
    if names_a_key(request.uri()) {
        return Err(ApiError::KeyInQuery);
    }
    check_encoding(request)
}

fn refusal(violation: Violation) -> ApiError {
    match violation {
        Violation::HeadTimeout => ApiError::RequestTimeout(violation.message()),
        _ => ApiError::Refused(violation.message()),
    }
}

/// What the accept loop checks in the bytes of HTTP/1. HTTP/2 names the host in `:authority`; a `host` line beside it
/// must agree.
fn check_http2(request: &Request) -> Result<(), ApiError> {
    if request.method() == Method::CONNECT {
        return Err(refusal(Violation::Method));
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().map(|host| host.as_bytes()).collect();
    match (authority, hosts.as_slice()) {
        (Some(authority), []) if is_host(authority) => Ok(()),
        (None, [host]) if is_host(host) => Ok(()),
        (Some(authority), [host]) if is_host(host) && host.eq_ignore_ascii_case(authority) => Ok(()),
        _ => Err(refusal(Violation::Host)),
    }
}

/// Names are compared as a handler would read them, with `%5F` for `_` decoded.
fn names_a_key(uri: &Uri) -> bool {
    if uri.query().is_none_or(str::is_empty) {
        return false;
    }
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return false; // no handler can read it either
    };
    pairs.iter().any(|(name, _)| KEY_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Every line counts: a second one must not carry what the first may not.
fn check_encoding(request: &Request) -> Result<(), ApiError> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    match encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        None => Ok(()),
        Some(encoding) => {
            Err(ApiError::UnsupportedEncoding(encoding.to_str().unwrap_or("?").chars().take(32).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_found_under_every_spelling_of_their_name() {
        for named in
            ["/?api_key=a", "/?a=b&api%5Fkey=a", "/?API%5fKEY=a", "/?%6bey", "/?authorization=Bearer+a", "/?token"]
        {
            assert!(names_a_key(&uri(named)), "{named}");
        }
        for unnamed in ["/", "/?", "/?a=key", "/?keys=a", "/?include[]=key", "/?a=%ff"] {
            assert!(!names_a_key(&uri(unnamed)), "{unnamed}");
        }
    }

    #[test]
    fn http2_needs_one_plain_host() {
        let request = |target: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(target).version(Version::HTTP_2);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            check_http2(&request.body(Body::empty()).unwrap())
        };
        assert!(request("http://a/x", &[]).is_ok() && request("/x", &["a"]).is_ok());
        assert!(request("http://a:80/x", &["A:80"]).is_ok());
        for (target, hosts) in
            [("/x", &[][..]), ("http://u@a/x", &[]), ("http://a/x", &["b"]), ("/x", &["a", "a"]), ("/x", &["u@a"])]
        {
            assert!(request(target, hosts).is_err(), "{target} {hosts:?}");
        }
    }

    #[test]
    fn every_line_of_an_encoding_counts() {
        let request = |lines: &[&str]| {
            let mut request = Request::builder().uri("/");
            for line in lines {
                request = request.header(header::CONTENT_ENCODING, *line);
            }
            check_encoding(&request.body(Body::empty()).unwrap())
        };
        assert!(request(&[]).is_ok() && request(&["Identity"]).is_ok());
        assert!(request(&["gzip"]).is_err() && request(&["identity", "gzip"]).is_err());
        assert!(request(&["identity, gzip"]).is_err());
    }
}
