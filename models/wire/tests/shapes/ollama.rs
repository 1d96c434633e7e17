//! Ollama's shapes: lines that its server 0.17.4 sent, read and written back without loss.

use kubemate_wire::ollama::{
    ChatRequest, ChatResponse, GenerateResponse, OllamaError, Progress, RunningList, Tags, Think,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn kept<T: Serialize + DeserializeOwned>(line: &str) -> T {
    let read: T = serde_json::from_str(line).unwrap();
    let sent: Value = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), sent);
    read
}

#[test]
fn a_chat_line_and_its_end() {
    let line: ChatResponse = kept(
        r#"{"model":"smol","created_at":"2026-11-23T17:45:38.412517405Z","message":{"role":"assistant","content":"I"},"done":false,"logprobs":[{"token":"I","logprob":-2.1941335201263428,"bytes":[73],"top_logprobs":[{"token":"I","logprob":-2.1941335201263428,"bytes":[73]}]}]}"#,
    );
    assert_eq!(line.message.content, "I");
    let end: ChatResponse = kept(
        r#"{"model":"smol","created_at":"2026-11-23T17:45:42.548712175Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":11440009782,"load_duration":2379947718,"prompt_eval_count":11,"prompt_eval_duration":4894956086,"eval_count":3,"eval_duration":4016609460}"#,
    );
    assert_eq!((end.done, end.metrics.prompt_eval_count), (true, Some(11)));
}

#[test]
fn a_generation_lists_progress_and_an_error() {
    kept::<GenerateResponse>(
        r#"{"model":"smol","created_at":"2026-11-23T17:45:46.005499766Z","response":" approaching, I","done":true,"done_reason":"length","total_duration":3429992270,"load_duration":245655658,"prompt_eval_count":2,"prompt_eval_duration":1522266105,"eval_count":3,"eval_duration":1655747955}"#,
    );
    kept::<Tags>(
        r#"{"models":[{"name":"smol:latest","model":"smol:latest","modified_at":"2026-11-23T17:45:30.998765121Z","size":98363007,"digest":"a048af8b887bcb490dc249b2a269f08f6c55daf0b4698a90aec7f8b050c5a1f5","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"134.52M","quantization_level":"Q4_1"}}]}"#,
    );
    kept::<RunningList>(
        r#"{"models":[{"name":"smol:latest","model":"smol:latest","size":190948608,"digest":"a048af8b887bcb490dc249b2a269f08f6c55daf0b4698a90aec7f8b050c5a1f5","details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"134.52M","quantization_level":"Q4_1"},"expires_at":"2026-11-23T17:50:51.761022928Z","size_vram":0,"context_length":4096}]}"#,
    );
    kept::<Progress>(r#"{"status":"writing manifest"}"#);
    kept::<OllamaError>(r#"{"error":"model 'nope' not found"}"#);
}

#[test]
fn a_request_may_leave_almost_everything_out() {
    let sent = r#"{"model":"m","messages":[{"role":"assistant","content":null}],"think":"low","new_field":1}"#;
    let request: ChatRequest = serde_json::from_str(sent).unwrap();
    assert_eq!(
        (request.messages[0].content.as_str(), request.think.clone()),
        ("", Some(Think::Level("low".to_owned())))
    );
    let written = json!({"model": "m", "messages": [{"role": "assistant", "content": ""}], "think": "low"});
    assert_eq!(serde_json::to_value(&request).unwrap(), written);
}
