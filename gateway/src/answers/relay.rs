//! Answers that pass through as they come: nothing is parsed that nothing needs.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use serde_json::value::RawValue;

use super::remote;
use crate::{
    api::ApiError,
    models::{Meter, Upstream},
};

/// Sends `body` to `path` of `upstream` and hands its answer on, byte for byte.
///
/// # Errors
/// `Upstream` when it cannot be reached; what it refuses is told in our own shape.
pub(crate) async fn relay(
    upstream: &Arc<Upstream>,
    path: &str,
    body: Bytes,
    mut meter: Meter,
) -> Result<Response, ApiError> {
    let answered = meter.watch(upstream.post(path, body).await)?;
    if !answered.status().is_success() {
        return meter.watch(Err(remote::refusal(upstream, answered).await));
    }
    let (head, incoming) = answered.into_parts();
    let mut response = Response::new(Body::new(Relayed { incoming, counts: Counts::new(meter) }));
    *response.status_mut() = StatusCode::OK;
    let kind = head.headers.get(header::CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or_else(|| HeaderValue::from_static("application/json"));
    if kind.as_bytes().starts_with(b"text/event-stream") {
        stream_headers(response.headers_mut());
    }
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Headers that keep proxies from holding events back.
pub(crate) fn stream_headers(headers: &mut http::HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// An upstream's body on its way: counted, not changed.
struct Relayed {
    incoming: Incoming,
    counts: Counts,
}

impl http_body::Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|data| self.counts.see(data)),
            Some(Err(_)) => self.counts.meter.failed(StatusCode::BAD_GATEWAY),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Finds the token counts in what passes: they stand in the last few hundred bytes of a body or a stream.
struct Counts {
    meter: Meter,
    tail: Vec<u8>,
}

/// Bytes kept for the search; an object of counts with all its details is below 500.
const TAIL: usize = 2048;

impl Counts {
    fn new(meter: Meter) -> Self {
        Self { meter, tail: Vec::with_capacity(TAIL) }
    }

    fn see(&mut self, data: &[u8]) {
        self.meter.began();
        let over = (self.tail.len() + data.len()).saturating_sub(TAIL).min(self.tail.len());
        self.tail.drain(..over);
        let from = data.len().saturating_sub(TAIL);
        self.tail.extend_from_slice(data.get(from..).unwrap_or_default());
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        if let Some((prompt, completion)) = counts_in(&self.tail) {
            self.meter.prompt(prompt);
            self.meter.reached(0, completion);
        }
    }
}

fn counts_in(tail: &[u8]) -> Option<(u64, u64)> {
    #[derive(serde::Deserialize)]
    struct Found {
        prompt_tokens: u64,
        #[serde(default)]
        completion_tokens: u64,
    }
    const KEY: &[u8] = b"\"usage\":";
    let at = tail.windows(KEY.len()).rposition(|window| window == KEY)?;
    let rest = tail.get(at + KEY.len()..)?;
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Found>();
    values.next()?.ok().map(|found| (found.prompt_tokens, found.completion_tokens))
}

/// `body` with another `model`; untouched when the name is the same.
///
/// # Errors
/// `Invalid` when the body is no JSON object.
pub(crate) fn renamed(body: &Bytes, from: &str, to: &str) -> Result<Bytes, ApiError> {
    if from == to {
        return Ok(body.clone());
    }
    let mut fields: Vec<(String, Box<RawValue>)> = fields_of(body)?;
    let name = serde_json::value::to_raw_value(to).map_err(ApiError::internal)?;
    for (key, value) in &mut fields {
        if key == "model" {
            *value = name.clone();
        }
    }
    serde_json::to_vec(&Fields(fields)).map(Bytes::from).map_err(ApiError::internal)
}

/// An object's fields in their order, values as they were sent.
struct Fields(Vec<(String, Box<RawValue>)>);

impl serde::Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

fn fields_of(body: &Bytes) -> Result<Vec<(String, Box<RawValue>)>, ApiError> {
    struct InOrder;
    impl<'de> serde::de::Visitor<'de> for InOrder {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("a JSON object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde::Deserializer::deserialize_map(&mut deserializer, InOrder)
        .map_err(|error| ApiError::invalid("", format!("the body is not a JSON object: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_changes_and_everything_else_keeps_its_bytes() {
        let body = Bytes::from_static(br#"{"a": 1.00, "model":"x","messages":[ {"content":"\u00e9"} ]}"#);
        let renamed = renamed(&body, "x", "y").unwrap();
        assert_eq!(renamed, r#"{"a":1.00,"model":"y","messages":[ {"content":"\u00e9"} ]}"#);
    }

    #[test]
    fn counts_are_found_at_the_end_of_a_stream() {
        let tail =
            b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";
        assert_eq!(counts_in(tail), Some((3, 5)));
        assert_eq!(counts_in(b"data: {\"usage\":null}"), None);
    }
}
