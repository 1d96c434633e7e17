//! What a client asks for.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Metadata;
use crate::chat::Role;
use crate::citation::CitationOptions;
use crate::vector_stores::{Filter, RankingOptions};

/// The `include` that asks for the results of file searches.
pub const INCLUDE_RESULTS: &str = "file_search_call.results";

/// A request for a response. Fields of OpenAI that the gateway does not act on stay in `other`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ResponsesRequest {
    /// A model or a saved assistant.
    pub model: String,
    /// A question, or the items of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<ResponseInput>,
    /// A system message for this response only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Continue from this stored response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_response_id: Option<String>,
    /// Whether the response can be fetched later; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// Up to 16 pairs, kept with the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// What to write in addition, see [`INCLUDE_RESULTS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    /// What the model may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ResponseTool>>,
    /// `none`, `auto`, `required` or one tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Whether several tools may be called at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Whether server-sent events are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Whether the response is made later; refused when true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<bool>,
    /// Tokens the response may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// How many alternatives a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// The answer's format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Value>,
    /// `auto` drops the oldest items of a conversation that is too long; `disabled` refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<String>,
    /// The end user, for abuse reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Extension: how citations are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citations: Option<CitationOptions>,
    /// Fields that an upstream may know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ResponsesRequest {
    /// Whether the answer is a stream.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether the results of file searches are written.
    #[must_use]
    pub fn includes_results(&self) -> bool {
        self.include.iter().flatten().any(|name| name == INCLUDE_RESULTS)
    }
}

/// A question, or the items of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected `input` to be a string or a list of items with valid roles and content")]
pub enum ResponseInput {
    /// A user's question.
    Text(String),
    /// Items, oldest first.
    Items(Vec<InputItem>),
}

/// An item of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InputItem {
    /// A message; `type` may be absent.
    Message(InputMessage),
    /// Any other item, such as an earlier `file_search_call`, kept as it was sent.
    Other(Map<String, Value>),
}

impl<'de> Deserialize<'de> for InputItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = Map::deserialize(deserializer)?;
        match item.get("type").map(Value::as_str) {
            None | Some(Some("message")) => {
                serde_json::from_value(Value::Object(item)).map(Self::Message).map_err(D::Error::custom)
            }
            Some(Some(_)) => Ok(Self::Other(item)),
            Some(None) => Err(D::Error::custom("the `type` of an input item is a string")),
        }
    }
}

/// A message of a conversation, of a person or of an earlier answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "message")]
pub struct InputMessage {
    /// Present on items that were answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: InputContent,
    /// Present on items that were answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// A string or a list of parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of content parts")]
pub enum InputContent {
    /// `"text"`
    Text(String),
    /// `[{"type": "input_text", …}, …]`
    Parts(Vec<InputPart>),
}

impl InputContent {
    /// The text, or `None` when a part is not text (an image, a file).
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Parts(parts) => {
                let texts: Option<Vec<&str>> = parts.iter().map(InputPart::as_text).collect();
                texts.map(|texts| Cow::Owned(texts.join("\n")))
            }
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", expecting = "a JSON object with a `type`")]
pub enum InputPart {
    /// Text of a person; `text` is what some clients write.
    #[serde(alias = "text")]
    InputText {
        /// The text.
        text: String,
    },
    /// Text of an earlier answer.
    OutputText {
        /// The text.
        text: String,
    },
    /// What an earlier answer said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
    /// A picture.
    InputImage(Map<String, Value>),
    /// A file given with the question.
    InputFile(Map<String, Value>),
    /// Sound.
    InputAudio(Map<String, Value>),
}

impl InputPart {
    /// The text of a part that is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::InputText { text } | Self::OutputText { text } | Self::Refusal { refusal: text } => Some(text),
            Self::InputImage(_) | Self::InputFile(_) | Self::InputAudio(_) => None,
        }
    }
}

/// A tool that the model is offered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ResponseTool {
    /// Search in vector stores.
    FileSearch(FileSearchTool),
    /// Any other tool, kept as it was sent.
    Other(Map<String, Value>),
}

impl<'de> Deserialize<'de> for ResponseTool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tool = Map::deserialize(deserializer)?;
        match tool.get("type").and_then(Value::as_str) {
            Some("file_search") => {
                serde_json::from_value(Value::Object(tool)).map(Self::FileSearch).map_err(D::Error::custom)
            }
            Some(_) => Ok(Self::Other(tool)),
            None => Err(D::Error::custom("a tool has a `type`")),
        }
    }
}

/// Search in vector stores before answering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "file_search")]
pub struct FileSearchTool {
    /// Where to search.
    pub vector_store_ids: Vec<String>,
    /// Only files whose attributes pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filter>,
    /// 1 to 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_num_results: Option<u32>,
    /// How results are ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking_options: Option<RankingOptions>,
}
