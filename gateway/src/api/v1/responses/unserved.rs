//! Fields of a request that are refused by name, because leaving them out would look as if they had been obeyed.

use kubemate_wire::responses::{INCLUDE_RESULTS, ResponseInput, ResponseTool, ResponsesRequest};
use serde_json::Value;

use crate::api::{ApiError, v1::metadata};

/// The published values of `include` that are about items which no answer here has: there is nothing to leave out.
const VACUOUS: [&str; 6] = [
    "reasoning.encrypted_content",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
];

/// Refuses what no model behind this door can be asked for.
///
/// # Errors
/// `Invalid`, naming the field.
pub(super) fn refuse(asked: &ResponsesRequest) -> Result<(), ApiError> {
    metadata::check(asked.metadata.as_ref())?;
    refuse_modes(asked)?;
    refuse_input(asked)?;
    refuse_include(asked)?;
    refuse_tool_choice(asked)?;
    refuse_format(asked)
}

fn refuse_modes(asked: &ResponsesRequest) -> Result<(), ApiError> {
    if asked.background.unwrap_or(false) {
        return Err(ApiError::unsupported("background", "`background` responses are not served; stream instead"));
    }
    for (field, instead) in
        [("conversation", "use `previous_response_id`"), ("prompt", "send its text as `instructions`")]
    {
        if asked.other.get(field).is_some_and(|value| !value.is_null()) {
            return Err(ApiError::unsupported(field, format!("`{field}` is not served; {instead}")));
        }
    }
    if asked.truncation.as_deref().is_some_and(|mode| mode != "disabled") {
        let message = "`truncation` is always `disabled` here: send fewer items when the conversation is too long";
        return Err(ApiError::unsupported("truncation", message));
    }
    if asked.top_logprobs.is_some_and(|top| top > 0) {
        let message = "`top_logprobs` is not served here; use /v1/chat/completions";
        return Err(ApiError::unsupported("top_logprobs", message));
    }
    match asked.max_output_tokens {
        Some(0) => Err(ApiError::invalid("max_output_tokens", "`max_output_tokens` must be at least 1")),
        _ => Ok(()),
    }
}

fn refuse_input(asked: &ResponsesRequest) -> Result<(), ApiError> {
    match &asked.input {
        None => Err(ApiError::invalid("input", "`input` is missing: send a question")),
        Some(ResponseInput::Items(items)) if items.is_empty() => {
            Err(ApiError::invalid("input", "`input` is an empty list: send a question"))
        }
        Some(_) => Ok(()),
    }
}

fn refuse_include(asked: &ResponsesRequest) -> Result<(), ApiError> {
    let served = |name: &str| name == INCLUDE_RESULTS || VACUOUS.contains(&name);
    match asked.include.iter().flatten().find(|name| !served(name)) {
        Some(name) => {
            let message = format!("`include` of `{name}` is not served; `{INCLUDE_RESULTS}` is");
            Err(ApiError::unsupported("include", message))
        }
        None => Ok(()),
    }
}

/// A search is made whenever its tool is there, so `required` is kept by `file_search` alone.
fn refuse_tool_choice(asked: &ResponsesRequest) -> Result<(), ApiError> {
    let searches = asked.tools.iter().flatten().any(|tool| matches!(tool, ResponseTool::FileSearch(_)));
    let kind = match &asked.tool_choice {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(word)) => word.as_str(),
        Some(choice) => choice.get("type").and_then(Value::as_str).unwrap_or("?"),
    };
    match kind {
        "none" | "auto" => Ok(()),
        "required" | "file_search" if searches => Ok(()),
        "required" | "file_search" => {
            Err(ApiError::invalid("tool_choice", format!("`tool_choice` is `{kind}` and `tools` has no `file_search`")))
        }
        _ => Err(ApiError::unsupported("tool_choice", format!("`tool_choice` of `{kind}` is not served"))),
    }
}

fn refuse_format(asked: &ResponsesRequest) -> Result<(), ApiError> {
    let format = asked.text.as_ref().and_then(|text| text.pointer("/format/type")).and_then(Value::as_str);
    match format {
        None | Some("text") => Ok(()),
        Some(other) => {
            Err(ApiError::unsupported("text.format", format!("`text.format` of type `{other}` is not served")))
        }
    }
}

/// What `reasoning` asks of the model: how long to think.
pub(super) fn effort(asked: &ResponsesRequest) -> Option<&str> {
    asked.other.get("reasoning")?.get("effort")?.as_str()
}

/// Models on this machine do not think before they speak.
///
/// # Errors
/// `Invalid`, naming `reasoning.effort`.
pub(super) fn refuse_reasoning(asked: &ResponsesRequest) -> Result<(), ApiError> {
    match effort(asked) {
        None | Some("none") => Ok(()),
        Some(_) => {
            let message = format!("model `{}` does not reason", asked.model);
            Err(ApiError::unsupported("reasoning.effort", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(field: &str, value: Value) -> ResponsesRequest {
        let mut body = json!({"model": "m", "input": "Hi"});
        body[field] = value;
        serde_json::from_value(body).unwrap()
    }

    fn blamed(field: &str, value: Value) -> Option<String> {
        let asked = request(field, value);
        match refuse(&asked).and_then(|()| refuse_reasoning(&asked)) {
            Err(ApiError::Invalid { param, .. }) => param,
            Err(error) => panic!("{error}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (field, value) in [
            ("background", json!(true)),
            ("conversation", json!("conv_1")),
            ("prompt", json!({"id": "pmpt_1"})),
            ("top_logprobs", json!(5)),
            ("truncation", json!("auto")),
            ("max_output_tokens", json!(0)),
            ("input", json!([])),
            ("include", json!(["message.output_text.logprobs"])),
            ("include", json!(["nonsense"])),
            ("tool_choice", json!("required")),
            ("tool_choice", json!({"type": "file_search"})),
            ("tool_choice", json!({"type": "function", "name": "f"})),
            ("metadata", json!({"k": "v".repeat(513)})),
        ] {
            assert_eq!(blamed(field, value).as_deref(), Some(field));
        }
        assert_eq!(blamed("reasoning", json!({"effort": "high"})).as_deref(), Some("reasoning.effort"));
        assert_eq!(blamed("text", json!({"format": {"type": "json_object"}})).as_deref(), Some("text.format"));
    }

    #[test]
    fn what_clients_send_by_habit_passes() {
        for (field, value) in [
            ("prompt", json!(null)),
            ("top_logprobs", json!(0)),
            ("truncation", json!("disabled")),
            ("include", json!(["file_search_call.results", "reasoning.encrypted_content"])),
            ("tool_choice", json!("auto")),
            ("reasoning", json!({"effort": null, "summary": null})),
            ("reasoning", json!({"effort": "none"})),
        ] {
            assert_eq!(blamed(field, value), None, "{field}");
        }
        let mut asked = request("tool_choice", json!("required"));
        let tool = json!([{"type": "file_search", "vector_store_ids": ["vs_1"]}]);
        asked.tools = serde_json::from_value(tool).unwrap();
        assert!(refuse(&asked).is_ok(), "a search is always made");
    }
}
