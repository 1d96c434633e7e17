use serde_json::{Value, json};

use super::*;

fn reading(shape: Shape) -> Reading {
    Reading { shape, model: "smol".to_owned(), streams: false, counts: true, logprobs: false }
}

fn translated(shape: Shape, body: Value) -> Value {
    let mut answer: Value =
        serde_json::from_slice(&whole(&reading(shape), body.to_string().as_bytes()).unwrap()).unwrap();
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("id");
        fields.remove("created");
    }
    answer
}

#[test]
fn a_chat() {
    let body = json!({"model": "smol:latest", "created_at": "2026-11-23T17:00:00.1Z", "done": true, "done_reason": "length",
        "message": {"role": "assistant", "content": "你好", "thinking": "hm"},
        "total_duration": 5, "load_duration": 1, "prompt_eval_count": 31, "prompt_eval_duration": 2, "eval_count": 4, "eval_duration": 2});
    let expected = json!({"object": "chat.completion", "model": "smol", "system_fingerprint": null,
        "choices": [{"index": 0, "logprobs": null, "finish_reason": "length",
            "message": {"role": "assistant", "content": "你好", "refusal": null, "reasoning_content": "hm"}}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 4, "total_tokens": 35}});
    assert_eq!(translated(Shape::Chat, body), expected);
}

#[test]
fn a_call_gets_an_id_and_its_arguments_become_text() {
    let body = json!({"model": "m", "done": true, "done_reason": "stop", "message": {"role": "assistant", "content": "",
        "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Wien", "at": [1, 2.5]}}}]}});
    let choice = translated(Shape::Chat, body)["choices"][0].clone();
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let call = &choice["message"]["tool_calls"][0];
    assert!(call["id"].as_str().unwrap().starts_with("call_"));
    assert_eq!(call["type"], "function");
    assert_eq!(call["function"], json!({"name": "weather", "arguments": "{\"city\":\"Wien\",\"at\":[1,2.5]}"}));
}

#[test]
fn a_text_and_vectors() {
    let text =
        translated(Shape::Text, json!({"response": " a time", "done": true, "done_reason": "stop", "eval_count": 2}));
    assert_eq!(text["choices"], json!([{"index": 0, "text": " a time", "logprobs": null, "finish_reason": "stop"}]));
    assert_eq!(text["usage"]["completion_tokens"], 2);
    let body = json!({"model": "e", "embeddings": [[0.5, -1.0], [1.0, 0.0]], "prompt_eval_count": 6});
    let floats = translated(Shape::Embeddings { base64: false }, body.clone());
    assert_eq!(floats["data"][1], json!({"object": "embedding", "index": 1, "embedding": [1.0, 0.0]}));
    assert_eq!(floats["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}));
    // python: base64.b64encode(struct.pack("<2f", 0.5, -1.0))
    assert_eq!(translated(Shape::Embeddings { base64: true }, body)["data"][0]["embedding"], "AAAAPwAAgL8=");
}

#[test]
fn log_probabilities_keep_their_place() {
    let body = json!({"message": {"role": "assistant", "content": "a"}, "done": true, "logprobs":
        [{"token": "a", "logprob": -0.25, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2.0}]}]});
    let reading = Reading { logprobs: true, ..reading(Shape::Chat) };
    let answer: Value = serde_json::from_slice(&whole(&reading, body.to_string().as_bytes()).unwrap()).unwrap();
    let expected = json!([{"token": "a", "logprob": -0.25, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": null}]}]);
    assert_eq!(answer["choices"][0]["logprobs"]["content"], expected);
}
