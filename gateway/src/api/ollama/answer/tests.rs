use serde_json::{Value, json};

use super::*;

const STREAM: &str = concat!(
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    ": keep-alive\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"嗯\",\"reasoning_content\":\"嗯\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"你好\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
);

/// The lines of a stream that comes in pieces of `size` bytes, times removed.
async fn rewritten(shape: Shape, text: &str, size: usize) -> Vec<Value> {
    let pieces: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
    let body = Body::from_stream(futures::stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    let mut response = Response::new(body);
    labelled(response.headers_mut(), "text/event-stream");
    let response = write(response, Wanted::new(shape, "m:latest", None)).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], LINES);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| timeless(serde_json::from_str(line).unwrap())).collect()
}

fn timeless(mut line: Value) -> Value {
    if let Some(fields) = line.as_object_mut() {
        for name in ["created_at", "total_duration", "prompt_eval_duration", "eval_duration"] {
            fields.remove(name);
        }
    }
    line
}

#[tokio::test]
async fn a_chat_becomes_lines_wherever_it_is_cut() {
    let expected = [
        json!({"model": "m:latest", "message": {"role": "assistant", "content": "", "thinking": "嗯"}, "done": false}),
        json!({"model": "m:latest", "message": {"role": "assistant", "content": "你好"}, "done": false}),
        json!({"model": "m:latest", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "length",
            "prompt_eval_count": 3, "eval_count": 2}),
    ];
    for size in [1, 2, 5, 64, STREAM.len()] {
        assert_eq!(rewritten(Shape::Chat, STREAM, size).await, expected, "pieces of {size}");
    }
}

#[tokio::test]
async fn a_generation_has_its_own_shape() {
    let lines = rewritten(Shape::Generate, STREAM, 33).await;
    assert_eq!(lines[1], json!({"model": "m:latest", "response": "你好", "done": false}));
    assert_eq!(
        (&lines[2]["response"], &lines[2]["done"], &lines[2]["eval_count"]),
        (&json!(""), &json!(true), &json!(2))
    );
    let text = "data: {\"choices\":[{\"text\":\" a\",\"finish_reason\":null}]}\n\ndata: [DONE]\n\n";
    assert_eq!(rewritten(Shape::Generate, text, 9).await[0]["response"], " a");
}

#[tokio::test]
async fn pieces_of_calls_become_whole_calls() {
    let piece =
        |call: Value| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}));
    let text = [
        piece(json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}})),
        piece(json!({"index": 0, "function": {"arguments": "{\"城市\":"}})),
        piece(json!({"index": 1, "id": "call_2", "function": {"name": "g", "arguments": "oops"}})),
        piece(json!({"index": 0, "function": {"arguments": "\"维也纳\"}"}})),
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
            .to_owned(),
    ];
    let lines = rewritten(Shape::Chat, &text.concat(), 17).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[0]["message"]["tool_calls"],
        json!([
            {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"城市": "维也纳"}}},
            {"id": "call_2", "function": {"index": 1, "name": "g", "arguments": {"arguments": "oops"}}},
        ])
    );
    assert_eq!((&lines[1]["done"], &lines[1]["done_reason"]), (&json!(true), &json!("stop")));
}

#[tokio::test]
async fn what_fails_in_the_middle_is_the_last_line() {
    let first: String = STREAM.split_inclusive("\n\n").take(4).collect();
    let error = "data: {\"error\":{\"message\":\"out of memory\",\"type\":\"x\",\"param\":null,\"code\":null}}\n\n";
    let lines = rewritten(Shape::Chat, &format!("{first}{error}"), 21).await;
    assert_eq!(*lines.last().unwrap(), json!({"error": "out of memory"}));
    let cut = rewritten(Shape::Chat, &first, 21).await;
    assert!(cut.last().unwrap()["error"].as_str().unwrap().contains("broke off"));
}

#[tokio::test]
async fn a_whole_answer_with_calls_and_citations() {
    let citation = json!({"type": "file_citation", "index": 1, "file_id": "file-1", "filename": "f", "page": null,
        "start": 0, "end": 1, "quote": "q", "vector_store_id": null});
    let answer = json!({"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "tool_calls", "message":
        {"role": "assistant", "content": null, "annotations": [citation],
         "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    let response = Response::new(Body::from(answer.to_string()));
    let response = write(response, Wanted::new(Shape::Chat, "m", Some(false))).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let whole = timeless(serde_json::from_slice(&body).unwrap());
    assert_eq!(whole["message"]["tool_calls"][0]["function"]["arguments"], json!({"a": 1}));
    assert_eq!(whole["message"]["annotations"][0]["file_id"], "file-1");
    assert_eq!((&whole["done_reason"], &whole["eval_count"]), (&json!("stop"), &json!(2)));
}
