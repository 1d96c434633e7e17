//! Which answers are kept, and what a request may say about that.

use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use super::canonical;
use crate::api::ApiError;

/// `cache = { … }` of a model. Without it nothing of the model is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CachePolicy {
    /// How long an answer is as good as new.
    #[serde(with = "humantime_serde")]
    pub(crate) ttl: Duration,
    /// How long after that it is still given while a new one is fetched.
    #[serde(with = "humantime_serde", default)]
    pub(crate) stale: Duration,
    /// Larger answers are not kept.
    #[serde(default = "max_answer")]
    pub(crate) max_answer: ByteSize,
    /// Whether conversations with tools are kept, too.
    #[serde(default)]
    pub(crate) tools: bool,
    /// Requests above this are drawn anew each time; 2 is the highest there is.
    #[serde(default = "max_temperature")]
    pub(crate) max_temperature: f64,
}

fn max_answer() -> ByteSize {
    ByteSize::mib(1)
}

fn max_temperature() -> f64 {
    2.0
}

/// What one request says about the cache: its field `cache` and the header `cache-control`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controls {
    /// Ask the model, whatever is kept.
    pub(super) no_cache: bool,
    /// Keep nothing of this.
    pub(super) no_store: bool,
    /// Keep it shorter than the model's policy says.
    pub(super) ttl: Option<Duration>,
    /// Take only what is younger.
    pub(super) max_age: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct Sent {
    #[serde(rename = "no-cache", default)]
    no_cache: bool,
    #[serde(rename = "no-store", default)]
    no_store: bool,
    ttl: Option<u64>,
    #[serde(rename = "s-maxage")]
    max_age: Option<u64>,
}

impl Controls {
    /// Takes the field `cache` out of a strict body: upstreams do not know it.
    ///
    /// # Errors
    /// `Invalid` when the field is not as documented.
    pub(crate) fn take(body: &Bytes) -> Result<(Bytes, Self), ApiError> {
        let found = memchr::memmem::find(body, b"\"cache\"").and_then(|_| canonical::field(body, b"cache"));
        let Some((at, value)) = found else { return Ok((body.clone(), Self::default())) };
        let sent: Option<Sent> = serde_json::from_slice(body.get(value..at.end).unwrap_or_default()).map_err(|_| {
            ApiError::invalid("cache", "`cache` takes `no-cache`, `no-store`, `ttl` and `s-maxage` (seconds)")
        })?;
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let controls = sent.map_or_else(Self::default, |sent| Self {
            no_cache: sent.no_cache,
            no_store: sent.no_store,
            ttl: seconds(sent.ttl),
            max_age: seconds(sent.max_age),
        });
        Ok((without(body, at), controls))
    }

    /// What the header `cache-control` says.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        for word in lines.flat_map(|line| line.split(',')) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => said.no_cache = true,
                "no-store" => said.no_store = true,
                "max-age" | "s-maxage" => {
                    let age = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
                    said.max_age = said.max_age.into_iter().chain(age).min();
                }
                _ => {}
            }
        }
        said
    }

    /// Both together: the stricter word counts.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        let shorter = |one: Option<Duration>, other: Option<Duration>| one.into_iter().chain(other).min();
        Self {
            no_cache: self.no_cache || other.no_cache,
            no_store: self.no_store || other.no_store,
            ttl: shorter(self.ttl, other.ttl),
            max_age: shorter(self.max_age, other.max_age),
        }
    }
}

/// `body` without the member at `at` and the comma beside it.
fn without(body: &[u8], at: std::ops::Range<usize>) -> Bytes {
    let before = body.get(..at.start).unwrap_or_default().trim_ascii_end();
    let after = body.get(at.end..).unwrap_or_default().trim_ascii_start();
    let (before, after) = match before.strip_suffix(b",") {
        Some(before) => (before.trim_ascii_end(), after),
        None => (before, after.strip_prefix(b",").unwrap_or(after)),
    };
    Bytes::from([before, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &'static str) -> (String, Controls) {
        let (body, controls) = Controls::take(&Bytes::from_static(body.as_bytes())).unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), controls)
    }

    #[test]
    fn the_field_is_taken_out_wherever_it_stands() {
        for body in [r#"{"cache":{"ttl":5},"a":1}"#, r#"{"a":1,"cache":{"ttl":5}}"#, r#"{"a":1 , "cache" : {"ttl":5}}"#]
        {
            let (left, controls) = taken(body);
            assert_eq!((left.as_str(), controls.ttl), (r#"{"a":1}"#, Some(Duration::from_secs(5))), "{body}");
        }
        assert_eq!(taken(r#"{"a":1,"cache":null,"b":2}"#), (r#"{"a":1,"b":2}"#.to_owned(), Controls::default()));
        let inside = r#"{"a":{"cache":{"ttl":5}}}"#;
        assert_eq!(taken(inside), (inside.to_owned(), Controls::default()));
        assert!(taken(r#"{"cache":{"no-cache":true}}"#).1.no_cache);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for body in [r#"{"cache":true}"#, r#"{"cache":{"ttl":-1}}"#, r#"{"cache":{"nostore":true}}"#] {
            let refused = Controls::take(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert!(refused.to_string().contains("`cache`"), "{refused}");
        }
    }

    #[test]
    fn the_stricter_word_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::CACHE_CONTROL, "No-Store, max-age=\"30\"".parse().unwrap());
        headers.append(header::CACHE_CONTROL, "max-age=60, private".parse().unwrap());
        let controls = Controls { no_cache: true, max_age: Some(Duration::from_secs(45)), ..Controls::default() };
        let both = controls.and(Controls::of(&headers));
        assert!(both.no_cache && both.no_store);
        assert_eq!(both.max_age, Some(Duration::from_secs(30)));
    }
}
