//! A plain answer, and what it is as a stream.

use serde_json::{Map, Value, json};

use super::{Shapes, objects};
use crate::forward::Door;

/// Reads a plain answer.
pub(super) fn read(door: Door, answer: &[u8]) -> Option<Shapes> {
    let mut base: Map<String, Value> = serde_json::from_slice(answer).ok()?;
    let Some(Value::Array(choices)) = base.remove("choices") else { return None };
    let usage = base.remove("usage").filter(|usage| !usage.is_null());
    base.insert("object".to_owned(), objects(door).1.into());
    let mut stream = Vec::new();
    for choice in choices {
        let Value::Object(choice) = choice else { return None };
        let pieces = if door == Door::Chat { of_chat(choice) } else { of_text(choice) };
        for piece in pieces {
            base.insert("choices".to_owned(), json!([piece]));
            event(&mut stream, &base)?;
        }
    }
    let counts = match usage {
        None => Vec::new(),
        Some(usage) => {
            base.insert("choices".to_owned(), json!([]));
            base.insert("usage".to_owned(), usage);
            serde_json::to_vec(&base).ok()?
        }
    };
    Some(Shapes { plain: answer.to_vec(), stream, counts, ..Shapes::default() })
}

/// Writes one event.
pub(super) fn event(out: &mut Vec<u8>, chunk: &Map<String, Value>) -> Option<()> {
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, chunk).ok()?;
    out.extend_from_slice(b"\n\n");
    Some(())
}

/// The role, everything that was said, the end.
fn of_chat(mut choice: Map<String, Value>) -> [Value; 3] {
    let index = choice.get("index").cloned().unwrap_or_else(|| 0.into());
    let Some(Value::Object(mut message)) = choice.remove("message") else { return [json!({}), json!({}), json!({})] };
    let role = message.remove("role").unwrap_or_else(|| "assistant".into());
    message.retain(|_, value| !value.is_null());
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for (at, call) in calls.iter_mut().filter_map(Value::as_object_mut).enumerate() {
            call.entry("index").or_insert_with(|| at.into());
        }
    }
    let logprobs = choice.remove("logprobs").unwrap_or_default();
    choice.insert("delta".to_owned(), json!({}));
    choice.insert("logprobs".to_owned(), Value::Null);
    [
        json!({"index": index, "delta": {"role": role, "content": ""}, "logprobs": null, "finish_reason": null}),
        json!({"index": index, "delta": message, "logprobs": logprobs, "finish_reason": null}),
        Value::Object(choice),
    ]
}

/// The text, the end.
fn of_text(mut choice: Map<String, Value>) -> [Value; 3] {
    let index = choice.get("index").cloned().unwrap_or_else(|| 0.into());
    let text = choice.insert("text".to_owned(), "".into()).unwrap_or_else(|| "".into());
    let logprobs = choice.insert("logprobs".to_owned(), Value::Null).unwrap_or_default();
    let piece = |text, logprobs| json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": null});
    [piece(text, logprobs), piece("".into(), Value::Null), Value::Object(choice)]
}
