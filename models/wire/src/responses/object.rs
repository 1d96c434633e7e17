//! A response and its items.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::{FileSearchTool, ResponseTool};
use crate::Metadata;
use crate::chat::{Role, TokenLogprob};
use crate::citation::Annotation;
use crate::vector_stores::Attributes;

/// A response. What is null here is null in OpenAI's answers too: SDK types want these fields present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "response")]
pub struct ResponseObject {
    /// `resp_…`
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How far it is.
    pub status: ResponseStatus,
    /// Unix seconds, once it has ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ResponseError>,
    /// Why it ended early.
    #[serde(default)]
    pub incomplete_details: Option<IncompleteDetails>,
    /// As asked for.
    #[serde(default)]
    pub instructions: Option<String>,
    /// As asked for.
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    /// The model that answered.
    pub model: String,
    /// Searches and messages, in the order in which they were made.
    pub output: Vec<OutputItem>,
    /// As asked for; true when absent.
    pub parallel_tool_calls: bool,
    /// The response that this continues.
    #[serde(default)]
    pub previous_response_id: Option<String>,
    /// Whether it can be fetched later.
    #[serde(default)]
    pub store: bool,
    /// As asked for.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// The format of the text: `{"format": {"type": "text"}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Value>,
    /// As asked for; `"auto"` when absent.
    pub tool_choice: Value,
    /// As asked for.
    pub tools: Vec<ResponseTool>,
    /// As asked for.
    #[serde(default)]
    pub top_p: Option<f64>,
    /// As asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<String>,
    /// Token counts, once it has ended.
    #[serde(default)]
    pub usage: Option<ResponseUsage>,
    /// As asked for.
    #[serde(default)]
    pub user: Option<String>,
    /// As asked for; empty when absent.
    #[serde(default)]
    pub metadata: Option<Metadata>,
}

impl ResponseObject {
    /// The text of all messages: what SDKs show as `output_text`.
    #[must_use]
    pub fn output_text(&self) -> String {
        let messages = self.output.iter().filter_map(|item| match item {
            OutputItem::Message(message) => Some(message),
            OutputItem::FileSearchCall(_) => None,
        });
        messages.flat_map(|message| &message.content).filter_map(OutputPart::as_text).collect()
    }

    /// The file search tools that were asked for.
    pub fn file_search_tools(&self) -> impl Iterator<Item = &FileSearchTool> {
        self.tools.iter().filter_map(|tool| match tool {
            ResponseTool::FileSearch(tool) => Some(tool),
            ResponseTool::Other(_) => None,
        })
    }
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// Waiting for a place.
    Queued,
    /// Being made.
    InProgress,
    /// Whole.
    Completed,
    /// Ended early, see `incomplete_details`.
    Incomplete,
    /// See `error`.
    Failed,
    /// By the client.
    Cancelled,
}

/// Why a response failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseError {
    /// One of the published codes, such as `server_error`, `rate_limit_exceeded`, `invalid_prompt`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Why a response ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncompleteDetails {
    /// The reason.
    pub reason: IncompleteReason,
}

/// Why a response ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteReason {
    /// The token limit or the context's end was reached.
    MaxOutputTokens,
    /// A filter cut it.
    ContentFilter,
}

/// Something that a response holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// What the model said.
    Message(OutputMessage),
    /// A search in vector stores.
    FileSearchCall(FileSearchCall),
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputMessage {
    /// `msg_…`
    pub id: String,
    /// How far it is.
    pub status: ItemStatus,
    /// Always `assistant`.
    pub role: Role,
    /// Its parts.
    pub content: Vec<OutputPart>,
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Being made.
    InProgress,
    /// Whole.
    Completed,
    /// Ended early.
    Incomplete,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputPart {
    /// Text with its citations.
    OutputText(OutputText),
    /// What it said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
}

impl OutputPart {
    /// The text of a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::OutputText(part) => Some(&part.text),
            Self::Refusal { .. } => None,
        }
    }
}

/// Text with its citations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputText {
    /// The text.
    pub text: String,
    /// Citations, in the order of their places.
    pub annotations: Vec<Annotation>,
    /// Of the text's tokens; empty unless asked for.
    #[serde(default)]
    pub logprobs: Vec<TokenLogprob>,
}

/// A search in vector stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileSearchCall {
    /// `fs_…`
    pub id: String,
    /// How far it is.
    pub status: SearchStatus,
    /// What was searched for.
    pub queries: Vec<String>,
    /// What was found; null unless asked for with `include`.
    #[serde(default)]
    pub results: Option<Vec<FileSearchResult>>,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchStatus {
    /// Begun.
    InProgress,
    /// Asking the stores.
    Searching,
    /// Done.
    Completed,
    /// Ended early.
    Incomplete,
    /// A store could not be asked.
    Failed,
}

/// A passage that was found. `page` and what follows are extensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileSearchResult {
    /// As the owner set them.
    #[serde(default)]
    pub attributes: Option<Attributes>,
    /// The file.
    pub file_id: String,
    /// Its name.
    pub filename: String,
    /// 0 to 1.
    pub score: f64,
    /// The passage.
    pub text: String,
    /// Extension: the store it was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_store_id: Option<String>,
    /// Extension: page where it begins, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Extension: where it begins in the stored text, in Unicode scalars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// Extension: where it ends, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// Token counts of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseUsage {
    /// Tokens of the prompt, passages included.
    pub input_tokens: u64,
    /// Parts of `input_tokens`.
    pub input_tokens_details: InputTokensDetails,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Parts of `output_tokens`.
    pub output_tokens_details: OutputTokensDetails,
    /// The sum of both.
    pub total_tokens: u64,
}

impl ResponseUsage {
    /// Counts of a prompt and its answer.
    #[must_use]
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        let total_tokens = input_tokens.saturating_add(output_tokens);
        Self { input_tokens, output_tokens, total_tokens, ..Self::default() }
    }
}

/// Parts of the prompt's tokens. Both fields are required by the newest SDK types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputTokensDetails {
    /// Tokens that did not have to be computed again.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens that were put into the cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
}

/// Parts of the answer's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputTokensDetails {
    /// Tokens of hidden reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}
