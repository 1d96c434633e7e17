//! `/chat/completions` as `/api/chat`.

use kubemate_wire::{
    chat::{ChatRequest, ResponseFormat, Tool},
    ollama::{self, Think},
};
use serde_json::{Map, Value, json};

use super::{
    Native, Reading, Shape,
    options::{Settings, keep_alive},
    turns, written,
};
use crate::api::ApiError;

pub(super) fn native(request: &ChatRequest) -> Result<Native, ApiError> {
    refuse_unserved(request)?;
    let logprobs = request.logprobs.unwrap_or(false);
    let chat = ollama::ChatRequest {
        model: request.model.clone(),
        messages: turns::messages(&request.messages)?,
        stream: Some(request.streams()),
        format: format(request.response_format.as_ref()),
        keep_alive: keep_alive(&request.other),
        tools: tools(request)?,
        options: settings(request).options(&request.other),
        think: request.reasoning_effort.as_deref().map(|effort| think(&request.model, effort)).transpose()?,
        logprobs: logprobs.then_some(true),
        top_logprobs: request.top_logprobs.filter(|_| logprobs),
    };
    let reading = Reading {
        shape: Shape::Chat,
        model: request.model.clone(),
        streams: request.streams(),
        counts: request.wants_usage(),
        logprobs,
    };
    Ok(Native { path: "/api/chat", body: written(&chat)?, reading })
}

fn settings(request: &ChatRequest) -> Settings<'_> {
    Settings {
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        repetition_penalty: request.repetition_penalty,
        stop: request.stop.as_ref(),
        limit: request.token_limit(),
    }
}

fn refuse_unserved(request: &ChatRequest) -> Result<(), ApiError> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(lacks("n", "gives one choice a request"));
    }
    if request.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()) {
        return Err(lacks("logit_bias", "takes no biases"));
    }
    if has_tools(request) && request.parallel_tool_calls == Some(false) {
        return Err(lacks("parallel_tool_calls", "cannot be kept from calling several tools"));
    }
    refuse_other(&request.other)
}

/// What stands outside the fields that are read here, changes the answer, and has no counterpart.
fn refuse_other(other: &Map<String, Value>) -> Result<(), ApiError> {
    let modes = other.get("modalities").and_then(Value::as_array);
    if modes.is_some_and(|modes| modes.iter().any(|mode| mode.as_str() != Some("text"))) {
        return Err(lacks("modalities", "answers in text only"));
    }
    let fields =
        [("functions", "takes `tools`"), ("audio", "does not speak"), ("web_search_options", "searches no web")];
    for (field, does) in fields {
        let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if other.get(field).is_some_and(|value| !empty(value)) {
            return Err(lacks(field, does));
        }
    }
    Ok(())
}

/// The refusal of a field, by its name.
pub(super) fn lacks(field: &str, does: &str) -> ApiError {
    ApiError::unsupported(field, format!("`{field}` is not served: the Ollama server behind this model {does}"))
}

fn has_tools(request: &ChatRequest) -> bool {
    request.tools.as_ref().is_some_and(|tools| !tools.is_empty())
}

/// The offered tools; none when the client chose none. Ollama cannot be told to call one.
fn tools(request: &ChatRequest) -> Result<Option<Vec<Value>>, ApiError> {
    match request.tool_choice.as_ref().map(|choice| (choice, choice.as_str())) {
        Some((_, Some("none"))) => return Ok(None),
        None | Some((Value::Null, _) | (_, Some("auto"))) => {}
        Some(_) => return Err(lacks("tool_choice", "decides itself whether to call; send `auto` or `none`")),
    }
    let tools = request.tools.as_deref().unwrap_or_default();
    let tools: Vec<Value> = tools.iter().enumerate().map(|(at, tool)| offered(at, tool)).collect::<Result<_, _>>()?;
    Ok(Some(tools).filter(|tools| !tools.is_empty()))
}

fn offered(at: usize, tool: &Tool) -> Result<Value, ApiError> {
    let Tool::Function { function, .. } = tool else {
        return Err(ApiError::unsupported(
            format!("tools[{at}].type"),
            "an Ollama server takes tools of type `function`",
        ));
    };
    let parameters =
        function.parameters.clone().map_or_else(|| json!({"type": "object", "properties": {}}), Value::from);
    let mut described = json!({"name": function.name, "parameters": parameters});
    if let (Some(text), Some(fields)) = (&function.description, described.as_object_mut()) {
        fields.insert("description".to_owned(), text.clone().into());
    }
    Ok(json!({"type": "function", "function": described}))
}

fn format(format: Option<&ResponseFormat>) -> Option<Value> {
    match format? {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some("json".into()),
        ResponseFormat::JsonSchema { json_schema } => {
            Some(json_schema.schema.clone().map_or_else(|| "json".into(), Value::Object))
        }
    }
}

/// Only the gpt-oss family takes a level; Ollama refuses one for any other model, which can be switched on and off.
fn think(model: &str, effort: &str) -> Result<Think, ApiError> {
    let level = match effort {
        "none" => return Ok(Think::Switch(false)),
        "minimal" | "low" => "low",
        "medium" => "medium",
        "high" | "xhigh" => "high",
        _ => {
            let message = "`reasoning_effort` takes none, minimal, low, medium, high or xhigh";
            return Err(ApiError::invalid("reasoning_effort", message));
        }
    };
    let levels = model.to_ascii_lowercase().contains("gpt-oss");
    Ok(if levels { Think::Level(level.to_owned()) } else { Think::Switch(true) })
}

#[cfg(test)]
mod tests;
