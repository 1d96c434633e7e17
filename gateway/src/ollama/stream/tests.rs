use serde_json::{Value, json};

use super::*;

fn reading(shape: Shape) -> Reading {
    Reading { shape, model: "smol".to_owned(), streams: true, counts: true, logprobs: false }
}

/// The events of a stream that comes in pieces of `size` bytes, and how it ended.
fn events(reading: Reading, text: &str, size: usize) -> (Vec<Value>, Result<(), Broken>) {
    let mut events = Events::new(reading);
    let outcome = text.as_bytes().chunks(size).try_for_each(|piece| events.feed(piece)).and_then(|()| events.finish());
    let mut found = Vec::new();
    while let Some(event) = events.next() {
        let event = String::from_utf8(event.to_vec()).unwrap();
        let data = event.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap().to_owned();
        found.push(if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(&data).unwrap() });
    }
    (found, outcome)
}

const CHAT: &str = concat!(
    r#"{"model":"smol","created_at":"2026-11-23T17:00:00.1Z","message":{"role":"assistant","content":"","thinking":"嗯"},"done":false}"#,
    "\n",
    r#"{"model":"smol","created_at":"2026-11-23T17:00:00.2Z","message":{"role":"assistant","content":"你"},"done":false}"#,
    "\n",
    r#"{"model":"smol","created_at":"2026-11-23T17:00:00.3Z","message":{"role":"assistant","content":"好"},"done":false}"#,
    "\n",
    r#"{"model":"smol","created_at":"2026-11-23T17:00:00.4Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":90,"load_duration":1,"prompt_eval_count":31,"prompt_eval_duration":2,"eval_count":4,"eval_duration":2}"#,
    "\n",
);

#[test]
fn a_chat_cut_anywhere_is_the_same_chat() {
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "嗯"}),
        json!({"content": "你"}),
        json!({"content": "好"}),
        json!({}),
    ];
    for size in [1, 2, 3, 7, 64, 127, CHAT.len()] {
        let (found, outcome) = events(reading(Shape::Chat), CHAT, size);
        assert_eq!(outcome, Ok(()), "pieces of {size}");
        let (done, chunks) = found.split_last().unwrap();
        assert_eq!(done, "[DONE]");
        let (total, pieces) = chunks.split_last().unwrap();
        assert_eq!((&total["choices"], &total["usage"]["total_tokens"]), (&json!([]), &json!(35)));
        let of = |field: &str| pieces.iter().map(|chunk| chunk["choices"][0][field].clone()).collect::<Vec<_>>();
        assert_eq!(of("delta"), deltas, "pieces of {size}");
        assert_eq!(of("finish_reason"), [json!(null), json!(null), json!(null), json!(null), json!("stop")]);
        assert_eq!(of("index"), vec![json!(0); 5]);
        assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["model"] == "smol"));
        assert!(pieces.iter().all(|chunk| chunk["usage"].is_null()));
    }
}

#[test]
fn counts_come_only_when_asked_for() {
    let (found, _) = events(Reading { counts: false, ..reading(Shape::Chat) }, CHAT, 50);
    assert!(found.iter().all(|event| event.get("usage").is_none()), "{found:?}");
}

#[test]
fn calls_have_running_numbers_ids_and_arguments_in_pieces() {
    let call = |name: &str| {
        json!({"model": "m", "message": {"role": "assistant", "content": "", "tool_calls":
            [{"function": {"index": 0, "name": name, "arguments": {"城市": "维也纳"}}}]}, "done": false})
    };
    let end =
        json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop"});
    let (found, outcome) = events(reading(Shape::Chat), &format!("{}\n{}\n{end}", call("f"), call("g")), 5);
    assert_eq!(outcome, Ok(()), "a last line without its end counts");
    let calls: Vec<&Value> = found.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls")).collect();
    let numbers: Vec<&Value> = calls.iter().map(|calls| &calls[0]["index"]).collect();
    assert_eq!(numbers, [&json!(0), &json!(0), &json!(1), &json!(1)]);
    assert!(calls[0][0]["id"].as_str().unwrap().starts_with("call_") && calls[0][0]["id"] != calls[2][0]["id"]);
    assert_eq!(calls[0][0]["function"], json!({"name": "f", "arguments": ""}));
    assert_eq!(*calls[1], json!([{"index": 0, "function": {"arguments": "{\"城市\":\"维也纳\"}"}}]));
    assert_eq!(found[found.len() - 3]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn an_error_in_the_middle_ends_the_stream_without_done() {
    let text = format!(
        "{}{}\nnever read",
        CHAT.split_inclusive('\n').take(2).collect::<String>(),
        r#"{"error":"out of memory"}"#
    );
    let (found, outcome) = events(reading(Shape::Chat), &text, 11);
    assert_eq!(outcome, Ok(()));
    let error = &found.last().unwrap()["error"];
    assert_eq!((&error["message"], &error["type"]), (&json!("out of memory"), &json!("upstream_error")));
    assert!(error.get("param").is_some() && error.get("code").is_some());
}

#[test]
fn a_stream_without_its_end_or_in_another_tongue_is_broken() {
    let half: String = CHAT.split_inclusive('\n').take(2).collect();
    assert_eq!(events(reading(Shape::Chat), &half, 9).1, Err(Broken::Cut));
    assert_eq!(events(reading(Shape::Chat), "<html>\n", 9).1, Err(Broken::Foreign));
    assert_eq!(events(reading(Shape::Chat), "", 9).1, Err(Broken::Cut));
}

#[test]
fn a_text_completion() {
    let text = concat!(
        r#"{"model":"smol","created_at":"t","response":" a","done":false}"#,
        "\n",
        r#"{"model":"smol","created_at":"t","response":"","done":true,"done_reason":"length","prompt_eval_count":2,"eval_count":1}"#,
    );
    let (found, outcome) = events(reading(Shape::Text), text, 6);
    assert_eq!(outcome, Ok(()));
    assert_eq!(found[0]["object"], "text_completion");
    assert_eq!(found[0]["choices"], json!([{"index": 0, "text": " a", "logprobs": null, "finish_reason": null}]));
    assert_eq!(found[1]["choices"][0]["finish_reason"], "length");
    assert_eq!((&found[2]["choices"], &found[2]["usage"]["prompt_tokens"]), (&json!([]), &json!(2)));
    assert_eq!(found[3], "[DONE]");
}
