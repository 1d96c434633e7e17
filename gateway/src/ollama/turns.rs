//! Turns of a conversation in Ollama's words.

use kubemate_wire::{
    chat::{Content, Message, Part, Role, ToolCall},
    ollama,
};
use serde_json::{Map, Value};

use crate::api::ApiError;

/// The same conversation.
///
/// # Errors
/// `Invalid`, naming the part that Ollama cannot be sent.
pub(super) fn messages(messages: &[Message]) -> Result<Vec<ollama::Message>, ApiError> {
    if messages.is_empty() {
        // Ollama would take it for an order to load the model.
        return Err(ApiError::invalid("messages", "`messages` is empty; send at least one"));
    }
    messages.iter().enumerate().map(|(at, message)| turn(at, message, messages)).collect()
}

fn turn(at: usize, message: &Message, all: &[Message]) -> Result<ollama::Message, ApiError> {
    let (content, images) = message.content.as_ref().map_or(Ok(Default::default()), |content| said(at, content))?;
    let calls = message.tool_calls.as_deref().unwrap_or_default();
    let calls: Vec<ollama::ToolCall> =
        calls.iter().zip(0..).map(|(one, index)| call(at, one, index)).collect::<Result<_, _>>()?;
    let is_result = matches!(message.role, Role::Tool | Role::Function);
    Ok(ollama::Message {
        role: role(message.role).to_owned(),
        content,
        thinking: thought(&message.other),
        images: Some(images).filter(|images| !images.is_empty()),
        tool_calls: Some(calls).filter(|calls| !calls.is_empty()),
        tool_name: is_result.then(|| tool_name(message, all)).flatten(),
        tool_call_id: message.tool_call_id.clone().filter(|_| is_result),
        annotations: Vec::new(),
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Developer | Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Function => "tool",
    }
}

/// Earlier thoughts come back under the name that the client's library uses.
fn thought(other: &Map<String, Value>) -> Option<String> {
    let text = ["reasoning_content", "reasoning"].iter().find_map(|name| other.get(*name)?.as_str());
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Text and pictures; texts are joined as they are for the models in this process.
fn said(at: usize, content: &Content) -> Result<(String, Vec<String>), ApiError> {
    let parts = match content {
        Content::Text(text) => return Ok((text.clone(), Vec::new())),
        Content::Parts(parts) => parts,
    };
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for (place, part) in parts.iter().enumerate() {
        let path = format!("messages[{at}].content[{place}]");
        match part {
            Part::Text { text } | Part::Refusal { refusal: text } => texts.push(text.as_str()),
            Part::ImageUrl { image_url } => images.push(picture(&path, &image_url.url)?),
            Part::InputAudio { .. } => return Err(ApiError::unsupported(path, "an Ollama server takes no audio")),
            Part::File { .. } => return Err(ApiError::unsupported(path, "an Ollama server takes no files")),
        }
    }
    Ok((texts.join("\n"), images))
}

/// The base64 of a `data:` URL. Nothing that a request names is fetched.
fn picture(path: &str, url: &str) -> Result<String, ApiError> {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((_, base64)) if !base64.is_empty() => Ok(base64.to_owned()),
        _ => {
            let message = "send the picture itself as `data:image/png;base64,…`; addresses are not fetched";
            Err(ApiError::invalid(format!("{path}.image_url.url"), message))
        }
    }
}

fn call(at: usize, call: &ToolCall, index: u32) -> Result<ollama::ToolCall, ApiError> {
    let arguments = match call.function.arguments.trim() {
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(|_| {
            let path = format!("messages[{at}].tool_calls[{index}].function.arguments");
            ApiError::invalid(path, "the arguments of a call must be a JSON object, as text")
        })?,
    };
    let function = ollama::ToolCallFunction { index, name: call.function.name.clone(), arguments };
    Ok(ollama::ToolCall { id: Some(call.id.clone()).filter(|id| !id.is_empty()), function })
}

/// Whose result a turn is: it says so, or the latest call with its id does.
fn tool_name(message: &Message, all: &[Message]) -> Option<String> {
    let named = || {
        let id = message.tool_call_id.as_ref()?;
        let mut calls = all.iter().rev().filter_map(|turn| turn.tool_calls.as_deref()).flatten();
        calls.find(|call| call.id == *id).map(|call| call.function.name.clone())
    };
    message.name.clone().or_else(named)
}
