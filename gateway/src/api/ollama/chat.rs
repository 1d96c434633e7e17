//! `POST /api/chat`.

use axum::{extract::State, response::Response};
use kubemate_wire::{
    chat::Role,
    ollama::{ChatRequest, ChatResponse, Message, ToolCall},
};
use serde_json::{Map, Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answer::{self, Wanted},
    ask::{Ask, content},
    json, known_as,
    line::{self, Shape},
    load, load_reason, speaks_ollama,
};
use crate::{
    api::{ApiError, Unlabelled, caller::Caller, v1},
    app::App,
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Continue a conversation, in Ollama's words: a stream of JSON lines unless `stream` is false.
#[utoipa::path(post, path = "/api/chat", tag = "ollama",
    responses((status = 200, description = "Lines of a chat, or the whole of it")))]
async fn create(State(app): State<App>, caller: Caller, body: Unlabelled) -> Result<Response, ApiError> {
    let request = body.0.typed::<ChatRequest>()?.value;
    let model = known_as(&app, &request.model);
    if request.messages.is_empty() {
        load(&app, &caller, &model).await?;
        return json(&loaded(&request));
    }
    let wanted = Wanted::new(Shape::Chat, &request.model, request.stream);
    let body = openai(request, model.clone(), speaks_ollama(&app, &model))?.body()?;
    answer::write(v1::chat(State(app), caller, body).await?, wanted).await
}

fn loaded(request: &ChatRequest) -> ChatResponse {
    ChatResponse {
        model: request.model.clone(),
        created_at: line::now(),
        message: Message { role: "assistant".to_owned(), ..Message::default() },
        done: true,
        done_reason: Some(load_reason(request.keep_alive.as_ref()).to_owned()),
        ..ChatResponse::default()
    }
}

fn openai(request: ChatRequest, model: String, speaks_ollama: bool) -> Result<Ask, ApiError> {
    let mut ask = Ask::new(model);
    ask.put("messages", Some(turns(request.messages)?));
    ask.streams(request.stream);
    ask.format(request.format)?;
    ask.put("tools", request.tools.filter(|tools| !tools.is_empty()));
    ask.think(request.think);
    ask.logprobs(request.logprobs, request.top_logprobs);
    ask.settings(request.options, speaks_ollama);
    ask.put("keep_alive", request.keep_alive.filter(|_| speaks_ollama));
    Ok(ask)
}

/// Turns in OpenAI's words. Ollama's calls may lack ids; a result then belongs to the first call of its tool without one.
fn turns(messages: Vec<Message>) -> Result<Vec<Value>, ApiError> {
    let mut open: Vec<(String, String)> = Vec::new();
    let mut turns = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let role = role(at, &message.role)?;
        let mut turn = Map::new();
        turn.insert("role".to_owned(), json!(role));
        turn.insert("content".to_owned(), content(message.content, message.images.as_deref().unwrap_or_default()));
        if let Some(calls) = message.tool_calls.filter(|calls| !calls.is_empty()) {
            let calls: Vec<Value> =
                calls.into_iter().zip(0..).map(|(one, place)| call(one, at, place, &mut open)).collect();
            turn.insert("tool_calls".to_owned(), calls.into());
        }
        if let Some(thinking) = message.thinking.filter(|text| !text.is_empty()) {
            turn.insert("reasoning_content".to_owned(), thinking.into());
        }
        if role == Role::Tool {
            let id = answered(&mut open, message.tool_call_id, message.tool_name.as_deref());
            turn.insert("tool_call_id".to_owned(), id.into());
        }
        turns.push(turn.into());
    }
    Ok(turns)
}

fn role(at: usize, role: &str) -> Result<Role, ApiError> {
    match role.to_lowercase().as_str() {
        "system" => Ok(Role::System),
        "developer" => Ok(Role::Developer),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "tool" => Ok(Role::Tool),
        _ => Err(ApiError::invalid(format!("messages[{at}].role"), "`role` is one of system, user, assistant, tool")),
    }
}

fn call(call: ToolCall, at: usize, place: usize, open: &mut Vec<(String, String)>) -> Value {
    let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{at}_{place}"));
    open.push((id.clone(), call.function.name.clone()));
    let arguments = Value::Object(call.function.arguments).to_string();
    json!({"id": id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}})
}

/// The id of the call that a result belongs to.
fn answered(open: &mut Vec<(String, String)>, id: Option<String>, tool: Option<&str>) -> String {
    let fits = |(call, name): &(String, String)| match (&id, tool) {
        (Some(id), _) => call == id,
        (None, Some(tool)) => name == tool,
        (None, None) => true,
    };
    let found = open.iter().position(fits).map(|at| open.remove(at).0);
    found.or(id).unwrap_or_else(|| "call_unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: Value, speaks_ollama: bool) -> Result<Value, ApiError> {
        let ask = openai(serde_json::from_value(request).unwrap(), "m".to_owned(), speaks_ollama)?;
        Ok(serde_json::from_slice(&ask.body()?.bytes).unwrap())
    }

    #[test]
    fn a_conversation_with_calls_and_pictures() {
        let request = json!({"model": "m:latest", "think": true, "keep_alive": "5m", "options": {"num_ctx": 512, "temperature": 0},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "messages": [
            {"role": "User", "content": "看", "images": ["iVBORw0K"]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "7", "tool_name": "f"},
        ]});
        let body = sent(request.clone(), false).unwrap();
        assert_eq!(
            body["messages"],
            json!([
                {"role": "user", "content": [{"type": "text", "text": "看"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}]},
                {"role": "assistant", "content": "", "tool_calls":
                    [{"id": "call_1_0", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "content": "7", "tool_call_id": "call_1_0"},
            ])
        );
        assert_eq!((&body["stream"], &body["reasoning_effort"]), (&json!(true), &json!("medium")));
        assert_eq!(body["stream_options"], json!({"include_usage": true}));
        assert!(body.get("options").is_none() && body.get("keep_alive").is_none(), "{body}");
        let native = sent(request, true).unwrap();
        assert_eq!((&native["options"], &native["keep_alive"]), (&json!({"num_ctx": 512}), &json!("5m")));
    }

    #[test]
    fn results_find_their_calls() {
        let mut open = vec![("a".to_owned(), "f".to_owned()), ("b".to_owned(), "g".to_owned())];
        assert_eq!(answered(&mut open, None, Some("g")), "b");
        assert_eq!(answered(&mut open, Some("z".to_owned()), None), "z");
        assert_eq!(answered(&mut open, None, None), "a");
        assert_eq!(answered(&mut open, None, None), "call_unknown");
    }

    #[test]
    fn a_role_that_nobody_has_is_refused_in_its_place() {
        let refused = sent(json!({"model": "m", "messages": [{"role": "owl", "content": "?"}]}), false).unwrap_err();
        let ApiError::Invalid { param, .. } = refused else { panic!("a wrong request") };
        assert_eq!(param.as_deref(), Some("messages[0].role"));
    }
}
