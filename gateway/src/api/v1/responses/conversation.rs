//! From the items of a request, and of what it continues, to the turns of a chat.

use kubemate_ledger::LedgerError;
use kubemate_wire::{
    chat::{self, ChatRequest, Message},
    responses::{
        FileSearchTool, InputContent, InputItem, InputMessage, InputPart, OutputItem, ResponseInput, ResponseObject,
        ResponseTool, ResponsesRequest,
    },
};
use serde_json::{Map, Value, json};

use super::unserved;
use crate::{
    answers::Grounding,
    api::{ApiError, caller::Caller, v1::new_id},
    app::App,
    models::Target,
};

/// The items of a conversation, oldest first, each with an id.
#[derive(Clone, Debug)]
pub(super) struct Conversation(Vec<InputItem>);

impl Conversation {
    /// The items of what `asked` continues, then its own.
    ///
    /// # Errors
    /// `Invalid` without any input, and when `previous_response_id` names no response of this tenant.
    pub(super) async fn of(app: &App, caller: &Caller, asked: &ResponsesRequest) -> Result<Self, ApiError> {
        unserved::refuse(asked)?;
        let mut items = match &asked.previous_response_id {
            None => Vec::new(),
            Some(id) => earlier(app, caller, id).await?,
        };
        match &asked.input {
            Some(ResponseInput::Text(text)) => items.push(said(chat::Role::User, text.clone())),
            Some(ResponseInput::Items(own)) => items.extend(own.iter().cloned().map(with_id)),
            None => {}
        }
        Ok(Self(items))
    }

    /// The items, to be kept with the response.
    pub(super) fn into_items(self) -> Vec<InputItem> {
        self.0
    }

    /// The same as a chat request, and the documents that its `file_search` tool names.
    ///
    /// # Errors
    /// `Invalid` for tools and content that are not served.
    pub(super) async fn chat_request(
        &self,
        app: &App,
        caller: &Caller,
        asked: &ResponsesRequest,
    ) -> Result<(ChatRequest, Option<Grounding>), ApiError> {
        let mut messages = Vec::new();
        if let Some(instructions) = &asked.instructions {
            messages.push(Message::text(chat::Role::System, instructions.clone()));
        }
        for (at, item) in self.0.iter().enumerate() {
            messages.extend(message(at, item)?);
        }
        let mut request = fields_of(asked, messages)?;
        if let Some(tool) = file_search(asked)? {
            request.vector_store_ids = Some(tool.vector_store_ids);
            request.filters = tool.filters;
            request.max_num_results = tool.max_num_results;
            request.ranking_options = tool.ranking_options;
        }
        let (request, grounding) = Grounding::of_chat(app, caller, request).await.map_err(blame_input)?;
        if matches!(app.routes.choose(&request.model)?, Target::Local(_)) {
            unserved::refuse_reasoning(asked)?;
        }
        Ok((request, grounding))
    }
}

/// The one `file_search` tool; any other tool is refused by name.
fn file_search(asked: &ResponsesRequest) -> Result<Option<FileSearchTool>, ApiError> {
    let mut found: Option<FileSearchTool> = None;
    for tool in asked.tools.iter().flatten() {
        match tool {
            ResponseTool::FileSearch(tool) => match &mut found {
                None => found = Some(tool.clone()),
                Some(first) => first.vector_store_ids.extend(tool.vector_store_ids.iter().cloned()),
            },
            ResponseTool::Other(tool) => {
                let kind = tool.get("type").and_then(Value::as_str).unwrap_or("?");
                return Err(ApiError::unsupported("tools", format!("tools of type `{kind}` are not served")));
            }
        }
    }
    let off = asked.tool_choice.as_ref().and_then(Value::as_str) == Some("none");
    Ok(found.filter(|_| !off))
}

async fn earlier(app: &App, caller: &Caller, id: &str) -> Result<Vec<InputItem>, ApiError> {
    let row = match app.ledger.response(&caller.tenant, id).await {
        Err(LedgerError::NotFound { .. }) => return Err(unknown_response(id)),
        row => row?,
    };
    let mut items: Vec<InputItem> = serde_json::from_value(row.input.clone()).map_err(ApiError::internal)?;
    let response: ResponseObject = serde_json::from_value(row.body.clone()).map_err(ApiError::internal)?;
    for item in &response.output {
        if let OutputItem::Message(message) = item {
            let text: String = message.content.iter().filter_map(|part| part.as_text()).collect();
            items.push(InputItem::Message(InputMessage {
                id: Some(message.id.clone()),
                role: chat::Role::Assistant,
                content: InputContent::Text(text),
                status: Some("completed".to_owned()),
            }));
        }
    }
    Ok(items)
}

/// As OpenAI refuses it: what the request names is wrong, not its path.
fn unknown_response(id: &str) -> ApiError {
    ApiError::Invalid {
        message: format!("no response with id `{id}`"),
        param: Some("previous_response_id".to_owned()),
        code: Some("previous_response_not_found"),
    }
}

fn said(role: chat::Role, text: String) -> InputItem {
    let content = InputContent::Text(text);
    InputItem::Message(InputMessage { id: Some(new_id("msg_")), role, content, status: None })
}

fn with_id(item: InputItem) -> InputItem {
    match item {
        InputItem::Message(message) if message.id.is_none() => {
            InputItem::Message(InputMessage { id: Some(new_id("msg_")), ..message })
        }
        InputItem::Other(mut fields) if !fields.contains_key("id") => {
            fields.insert("id".to_owned(), Value::String(new_id("item_")));
            InputItem::Other(fields)
        }
        other => other,
    }
}

/// Whoever sent `input` knows nothing of the `messages` that became of it.
fn blame_input(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid { message, param, code } if param.as_deref() == Some("messages") => ApiError::Invalid {
            message: message.replace("`messages`", "`input`"),
            param: Some("input".to_owned()),
            code,
        },
        other => other,
    }
}

/// An item as the published list shows it: content is a list of parts, an answer's parts carry their annotations.
pub(super) fn listed(item: InputItem) -> Value {
    let InputItem::Message(message) = item else { return json!(item) };
    let is_answer = message.role == chat::Role::Assistant;
    let content: Value = match message.content {
        InputContent::Text(text) if is_answer => json!([{ "type": "output_text", "text": text, "annotations": [] }]),
        InputContent::Text(text) => json!([{ "type": "input_text", "text": text }]),
        InputContent::Parts(parts) => parts.iter().map(part).collect(),
    };
    json!({
        "type": "message",
        "id": message.id,
        "role": message.role,
        "status": "completed",
        "content": content,
    })
}

fn part(part: &InputPart) -> Value {
    match part {
        InputPart::OutputText { text } => json!({ "type": "output_text", "text": text, "annotations": [] }),
        other => json!(other),
    }
}

/// A turn; searches and other calls of earlier answers are no turns of a person or model.
fn message(at: usize, item: &InputItem) -> Result<Option<Message>, ApiError> {
    match item {
        InputItem::Message(message) => {
            let text = message
                .content
                .as_text()
                .ok_or_else(|| ApiError::unsupported(format!("input[{at}].content"), "only text is read here"))?;
            Ok(Some(Message::text(message.role, text.into_owned())))
        }
        InputItem::Other(fields) => match fields.get("type").and_then(Value::as_str) {
            Some("file_search_call" | "reasoning") => Ok(None),
            kind => Err(ApiError::unsupported(
                format!("input[{at}].type"),
                format!("items of type `{}` are not served", kind.unwrap_or("?")),
            )),
        },
    }
}

fn fields_of(asked: &ResponsesRequest, messages: Vec<Message>) -> Result<ChatRequest, ApiError> {
    let mut fields = Map::new();
    fields.insert("model".to_owned(), Value::String(asked.model.clone()));
    fields.insert("messages".to_owned(), serde_json::to_value(messages).map_err(ApiError::internal)?);
    let mut request: ChatRequest = serde_json::from_value(Value::Object(fields)).map_err(ApiError::internal)?;
    request.max_completion_tokens = asked.max_output_tokens;
    request.temperature = asked.temperature;
    request.top_p = asked.top_p;
    request.reasoning_effort = unserved::effort(asked).map(str::to_owned);
    request.citations = asked.citations.clone();
    Ok(request)
}
