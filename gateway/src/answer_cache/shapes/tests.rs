use serde_json::{Value, json};

use super::*;

fn plain(door: Door, streams: bool, answer: &str) -> Value {
    serde_json::from_slice(&read(door, streams, answer.as_bytes(), true).unwrap().plain).unwrap()
}

fn events(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let blocks = text.split_terminator("\n\n");
    blocks.map(|block| serde_json::from_str(block.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn sse(chunks: &[Value]) -> String {
    let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    format!("{lines}data: [DONE]\n\n")
}

fn chunk(choices: Value) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": choices})
}

fn piece(delta: Value, reason: Value) -> Value {
    chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]))
}

#[test]
fn a_stream_is_put_together() {
    let mut last = chunk(json!([]));
    last["usage"] = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let mut null = piece(json!({"role": "assistant", "content": ""}), Value::Null);
    null["usage"] = Value::Null;
    let stream = sse(&[
        null,
        piece(json!({"content": "Hel"}), Value::Null),
        piece(json!({"content": "lo", "reasoning_content": "so"}), Value::Null),
        piece(json!({}), json!("stop")),
        last,
    ]);
    let shapes = read(Door::Chat, true, stream.as_bytes(), false).unwrap();
    assert_eq!((shapes.prompt_tokens, shapes.completion_tokens), (3, 2));
    let whole: Value = serde_json::from_slice(&shapes.plain).unwrap();
    assert_eq!(
        (&whole["id"], &whole["created"], &whole["object"]),
        (&json!("c1"), &json!(7), &json!("chat.completion"))
    );
    let choice = &whole["choices"][0];
    assert_eq!(choice["message"], json!({"role": "assistant", "content": "Hello", "reasoning_content": "so"}));
    assert_eq!((&choice["finish_reason"], &choice["logprobs"]), (&json!("stop"), &Value::Null));
    assert_eq!(whole["usage"]["total_tokens"], 5);
    let kept = events(&shapes.stream);
    assert_eq!(kept.len(), 4, "the counts are kept apart");
    assert!(kept.iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn tool_calls_and_choices_are_put_together_by_their_number() {
    let call = |index: u64, more: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"tool_calls": [call]})
    };
    let named = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": ""}});
    let stream = sse(&[
        piece(json!({"role": "assistant", "content": null}), Value::Null),
        piece(call(0, named("a")), Value::Null),
        piece(call(0, json!({"function": {"arguments": "{\"x\""}})), Value::Null),
        piece(call(1, named("b")), Value::Null),
        piece(call(0, json!({"function": {"arguments": ":1}"}})), Value::Null),
        piece(json!({}), json!("tool_calls")),
        chunk(json!([{"index": 1, "delta": {"content": "two"}, "finish_reason": "stop"}])),
    ]);
    let whole = plain(Door::Chat, true, &stream);
    let message = &whole["choices"][0]["message"];
    let first = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}});
    assert_eq!((&message["tool_calls"][0], &message["content"]), (&first, &Value::Null));
    assert_eq!(message["tool_calls"][1]["id"], "b");
    assert_eq!(whole["choices"][1]["message"], json!({"role": "assistant", "content": "two"}));
    assert!(read(Door::Chat, true, stream.as_bytes(), false).is_none(), "tools are kept only where configured");
}

#[test]
fn a_plain_answer_becomes_a_stream_that_says_the_same() {
    let answer = json!({
        "id": "c1", "object": "chat.completion", "created": 7, "model": "m", "system_fingerprint": "fp",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello", "refusal": null, "annotations": []},
             "logprobs": {"content": [{"token": "Hello", "logprob": -0.5, "bytes": null, "top_logprobs": []}]},
             "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
             "logprobs": null, "finish_reason": "tool_calls"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    });
    let shapes = read(Door::Chat, false, answer.to_string().as_bytes(), true).unwrap();
    let chunks = events(&shapes.stream);
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == "c1"));
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert_eq!(chunks[4]["choices"][0]["delta"]["tool_calls"][0]["index"], 0);
    let mut all = chunks;
    all.push(serde_json::from_slice(&shapes.counts).unwrap());
    let mut back = plain(Door::Chat, true, &sse(&all));
    let mut expected = answer;
    expected["choices"][0]["message"].as_object_mut().unwrap().remove("refusal");
    assert_eq!(back["choices"].take(), expected["choices"].take());
    assert_eq!(back, expected);
}

#[test]
fn text_completions_go_both_ways() {
    let answer = json!({
        "id": "c1", "object": "text_completion", "created": 7, "model": "m",
        "choices": [{"index": 0, "text": "abc", "logprobs": null, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    });
    let shapes = read(Door::Completions, false, answer.to_string().as_bytes(), false).unwrap();
    let mut chunks = events(&shapes.stream);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "length");
    chunks.push(serde_json::from_slice(&shapes.counts).unwrap());
    assert_eq!(plain(Door::Completions, true, &sse(&chunks)), answer);
}

#[test]
fn errors_and_cut_answers_are_not_kept() {
    let good = sse(&[piece(json!({"content": "a"}), Value::Null), piece(json!({}), json!("stop"))]);
    assert!(read(Door::Chat, true, good.as_bytes(), false).is_some());
    for cut in 0..good.len() - 2 {
        assert!(read(Door::Chat, true, &good.as_bytes()[..cut], false).is_none(), "cut at {cut}");
    }
    let error = format!("data: {}\n\n{good}", json!({"error": {"message": "no"}}));
    let unended = sse(&[piece(json!({"content": "a"}), Value::Null)]);
    let filtered = sse(&[piece(json!({"content": "a"}), json!("content_filter"))]);
    for bad in [error, unended, filtered, sse(&[])] {
        assert!(read(Door::Chat, true, bad.as_bytes(), false).is_none(), "{bad}");
    }
    for bad in [r#"{"error":{"message":"no"}}"#, r#"{"choices":[]}"#, r#"{"choices":[{"finish_reason":null}]}"#, "<p>"]
    {
        assert!(read(Door::Chat, false, bad.as_bytes(), false).is_none(), "{bad}");
    }
}

#[test]
fn lists_are_kept_as_they_are() {
    let embeddings = r#"{"object":"list","data":[{"embedding":[1.50]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    let shapes = read(Door::Embeddings, false, embeddings.as_bytes(), false).unwrap();
    assert_eq!((shapes.plain.as_slice(), shapes.prompt_tokens), (embeddings.as_bytes(), 4));
    assert!(read(Door::Rerank, false, br#"{"results":[]}"#, false).is_some());
    assert!(read(Door::Embeddings, false, br#"{"error":"no"}"#, false).is_none());
}
