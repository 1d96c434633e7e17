use serde_json::{Value, json};

use super::*;

fn sent(request: Value) -> Result<Value, ApiError> {
    let native = native(&serde_json::from_value(request).unwrap())?;
    assert_eq!(native.path, "/api/chat");
    Ok(serde_json::from_slice(&native.body).unwrap())
}

fn asked(fields: Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

fn blamed(request: Value) -> String {
    match sent(request) {
        Err(ApiError::Invalid { param: Some(param), .. }) => param,
        other => panic!("a refusal by name, not {other:?}"),
    }
}

#[test]
fn settings_take_ollamas_names() {
    let request = asked(json!({
        "stream": true, "max_completion_tokens": 7, "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 3,
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "repetition_penalty": 1.1, "stop": ["a", "b"],
        "num_ctx": 4096, "keep_alive": -1, "user": "u", "metadata": {"a": "b"}, "store": true,
    }));
    let expected = json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true, "keep_alive": -1,
        "options": {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 3, "presence_penalty": 0.1,
            "frequency_penalty": 0.2, "repeat_penalty": 1.1, "stop": ["a", "b"], "num_predict": 7, "num_ctx": 4096},
    });
    assert_eq!(sent(request).unwrap(), expected);
}

#[test]
fn what_is_not_said_is_left_to_the_model() {
    let expected = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false});
    assert_eq!(sent(asked(json!({}))).unwrap(), expected);
}

#[test]
fn ollamas_own_options_count_first() {
    let request = asked(json!({"temperature": 1, "options": {"temperature": 0, "mirostat": 1}}));
    assert_eq!(sent(request).unwrap()["options"], json!({"temperature": 0, "mirostat": 1}));
}

#[test]
fn pictures_are_sent_as_bare_base64_and_addresses_are_not_fetched() {
    let picture = |url: &str| {
        json!({"model": "m", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "this"},
        ]}]})
    };
    let turn = &sent(picture("data:image/png;base64,iVBORw0=")).unwrap()["messages"][0];
    assert_eq!(*turn, json!({"role": "user", "content": "what is\nthis", "images": ["iVBORw0="]}));
    for url in ["http://169.254.169.254/", "data:image/png,abc", "data:image/png;base64,"] {
        assert_eq!(blamed(picture(url)), "messages[0].content[1].image_url.url");
    }
}

#[test]
fn a_tools_result_names_its_tool_and_arguments_become_an_object() {
    let request = json!({"model": "m", "messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"维也纳\",\"days\":2}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]});
    let expected = json!([
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "维也纳", "days": 2}}}]},
        {"role": "tool", "content": "sunny", "tool_name": "weather", "tool_call_id": "call_1"},
    ]);
    assert_eq!(sent(request).unwrap()["messages"], expected);
}

#[test]
fn arguments_that_are_no_object_are_blamed_on_their_turn() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1"}});
    let request = json!({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]});
    assert_eq!(blamed(request), "messages[0].tool_calls[0].function.arguments");
}

#[test]
fn tools_are_offered_unless_none_is_chosen() {
    let tool = json!({"type": "function", "function": {"name": "f", "description": "d", "strict": true}});
    let offered = json!([{"type": "function", "function":
        {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}]);
    assert_eq!(sent(asked(json!({"tools": [tool], "tool_choice": "auto"}))).unwrap()["tools"], offered);
    assert_eq!(sent(asked(json!({"tools": [tool], "tool_choice": "none"}))).unwrap().get("tools"), None);
    assert_eq!(blamed(asked(json!({"tools": [tool], "tool_choice": "required"}))), "tool_choice");
    assert_eq!(blamed(asked(json!({"tools": [tool], "parallel_tool_calls": false}))), "parallel_tool_calls");
    assert_eq!(blamed(asked(json!({"tools": [{"type": "custom", "custom": {}}]}))), "tools[0].type");
}

#[test]
fn formats_are_json_or_a_schema() {
    let format = |format: Value| sent(asked(json!({"response_format": format}))).unwrap().get("format").cloned();
    assert_eq!(format(json!({"type": "text"})), None);
    assert_eq!(format(json!({"type": "json_object"})), Some(json!("json")));
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let wanted = json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}});
    assert_eq!(format(wanted), Some(schema));
}

#[test]
fn effort_is_a_level_for_gpt_oss_and_a_switch_for_others() {
    let think = |model: &str, effort: &str| {
        let mut request = asked(json!({"reasoning_effort": effort}));
        request["model"] = json!(model);
        sent(request).unwrap()["think"].clone()
    };
    assert_eq!(think("gpt-oss:20b", "minimal"), json!("low"));
    assert_eq!(think("qwen3", "high"), json!(true));
    assert_eq!(think("qwen3", "none"), json!(false));
    assert_eq!(blamed(asked(json!({"reasoning_effort": "huge"}))), "reasoning_effort");
}

#[test]
fn what_is_lacking_is_refused_by_name() {
    for (field, value) in [
        ("n", json!(2)),
        ("logit_bias", json!({"5": 1.0})),
        ("modalities", json!(["text", "audio"])),
        ("functions", json!([{"name": "f"}])),
        ("audio", json!({"voice": "x"})),
        ("web_search_options", json!({})),
        ("messages", json!([])),
    ] {
        let mut request = asked(json!({}));
        request[field] = value;
        assert_eq!(blamed(request), field);
    }
}

#[test]
fn log_probabilities_are_asked_for() {
    let body = sent(asked(json!({"logprobs": true, "top_logprobs": 2}))).unwrap();
    assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(2)));
    assert_eq!(sent(asked(json!({"top_logprobs": 0}))).unwrap().get("top_logprobs"), None);
}
