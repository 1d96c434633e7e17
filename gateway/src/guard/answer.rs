//! Puts what was masked back into answers, plain or as streams.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::mask::{Mask, Restorer};
use crate::api::ApiError;

/// Largest plain answer that is read to put something back into it.
const MAX_PLAIN: usize = 128 * 1024 * 1024;

/// What was masked in a request, for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Masked(Arc<Mask>);

impl Masked {
    pub(super) fn new(mask: Mask) -> Self {
        Self(Arc::new(mask))
    }

    /// The answer with what was masked. A stream must come in whole events.
    ///
    /// # Errors
    /// `Internal` when a plain answer breaks off or is endless.
    pub(crate) async fn restore(self, response: Response, streams: bool) -> Result<Response, ApiError> {
        let (mut head, body) = response.into_parts();
        head.headers.remove(http::header::CONTENT_LENGTH);
        if streams {
            let body = Events { body, mask: self.0, open: HashMap::new() };
            return Ok(Response::from_parts(head, Body::new(body)));
        }
        let whole = Limited::new(body, MAX_PLAIN).collect().await;
        let whole = whole.map_err(|error| ApiError::internal(anyhow::anyhow!("{error}")))?.to_bytes();
        Ok(Response::from_parts(head, Body::from(self.plain(whole))))
    }

    /// The same for an answer that is read as pieces of text.
    pub(crate) fn texts(self) -> Texts {
        Texts { mask: self.0, open: BTreeMap::new() }
    }

    /// Neither placeholders nor what they stand for need escapes, so the bytes around them stay as they are.
    fn plain(&self, whole: Bytes) -> Bytes {
        let restored = std::str::from_utf8(&whole).map(|answer| Bytes::from(self.0.restore(answer)));
        restored.unwrap_or(whole)
    }
}

/// The texts of an answer's choices, put together across pieces.
#[derive(Debug)]
pub(crate) struct Texts {
    mask: Arc<Mask>,
    open: BTreeMap<u32, Restorer>,
}

impl Texts {
    /// What of the next piece can be told; what could begin a placeholder is held back.
    pub(crate) fn feed(&mut self, choice: u32, piece: &str) -> String {
        self.open.entry(choice).or_default().feed(&self.mask, piece)
    }

    /// What was still held back, by choice.
    pub(crate) fn end(mut self) -> impl Iterator<Item = (u32, String)> {
        let left = std::mem::take(&mut self.open).into_iter().map(|(choice, mut text)| (choice, text.end()));
        left.filter(|(_, text)| !text.is_empty())
    }
}

/// A stream on its way: each text of each choice is put together across events.
struct Events {
    body: Body,
    mask: Arc<Mask>,
    /// What is held back, by choice and field.
    open: HashMap<(u64, String), Restorer>,
}

/// Fields of a piece that grow.
const GROWING: [&str; 4] = ["content", "reasoning_content", "reasoning", "refusal"];

impl Events {
    fn pass(&mut self, events: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(events.len());
        for line in events.split_inclusive(|byte| *byte == b'\n') {
            let data = line.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice::<Value>(data).ok());
            let restored = data.and_then(|chunk| serde_json::to_vec(&self.chunk(chunk)).ok());
            match restored {
                Some(data) => out.extend_from_slice(&[b"data: ", data.as_slice(), b"\n"].concat()),
                None => out.extend_from_slice(line),
            }
        }
        out.freeze()
    }

    fn chunk(&mut self, mut chunk: Value) -> Value {
        let choices = chunk.get_mut("choices").and_then(Value::as_array_mut);
        choices.into_iter().flatten().for_each(|choice| self.choice(choice));
        chunk
    }

    fn choice(&mut self, choice: &mut Value) {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        let ends = choice.get("finish_reason").is_some_and(Value::is_string);
        if let Some(Value::String(text)) = choice.get_mut("text") {
            *text = self.feed(index, "text", text, ends);
        }
        let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) else { return };
        for field in GROWING {
            match delta.get_mut(field) {
                Some(Value::String(text)) => *text = self.feed(index, field, text, ends),
                _ if ends => {
                    let left = self.feed(index, field, "", true);
                    if !left.is_empty() {
                        delta.insert(field.to_owned(), left.into());
                    }
                }
                _ => {}
            }
        }
        let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            let field = format!("tool {}", call.get("index").and_then(Value::as_u64).unwrap_or(0));
            if let Some(Value::String(text)) = call.pointer_mut("/function/arguments") {
                *text = self.feed(index, &field, text, ends);
            }
        }
    }

    fn feed(&mut self, index: u64, field: &str, piece: &str, ends: bool) -> String {
        let restorer = self.open.entry((index, field.to_owned())).or_default();
        let mut told = restorer.feed(&self.mask, piece);
        if ends {
            told.push_str(&restorer.end());
        }
        told
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|events| self.pass(&events)))))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::guard::Kind;

    fn masked() -> Masked {
        let mut mask = Mask::default();
        assert_eq!(mask.mask("13800138000", &Kind::ALL, b"").unwrap(), "[[PHONE_1]]");
        Masked::new(mask)
    }

    async fn restored(body: Body, streams: bool) -> String {
        let response = masked().restore(Response::new(body), streams).await.unwrap();
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_plain_answer_has_its_values_back() {
        let body = r#"{"choices":[{"message":{"content":"call [[PHONE_1]]\n"}}],"usage":{"total_tokens":5}}"#;
        assert_eq!(restored(Body::from(body), false).await, body.replace("[[PHONE_1]]", "13800138000"));
    }

    #[tokio::test]
    async fn a_stream_has_them_back_wherever_it_was_cut() {
        let said = "a [[PHONE_1]] b [[x";
        for cut in 0..=said.len() {
            for second in cut..=said.len() {
                let piece = |text: &str, reason: &str| {
                    let text = serde_json::to_string(text).unwrap();
                    format!(
                        r#"data: {{"choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":{reason}}}]}}"#
                    ) + "\n\n"
                };
                let last = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
                let events = [
                    piece(&said[..cut], "null"),
                    piece(&said[cut..second], "null"),
                    piece(&said[second..], "null"),
                    format!("{last}data: [DONE]\n\n"),
                ];
                let frames = events.map(|event| Ok::<_, std::convert::Infallible>(Bytes::from(event)));
                let out = restored(Body::from_stream(futures::stream::iter(frames)), true).await;
                assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
                let chunks =
                    out.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
                let text: String = chunks
                    .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned))
                    .collect();
                assert_eq!(text, "a 13800138000 b [[x", "{cut} {second}");
            }
        }
    }
}
