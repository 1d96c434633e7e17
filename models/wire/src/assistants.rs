//! `/v1/assistants`: a model with instructions and knowledge bases, saved under a name.
//!
//! OpenAI's published shape, read and written by every SDK; a saved assistant also appears as a model, by its `name`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Metadata;
use crate::null::present;

/// A saved assistant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "assistant")]
pub struct Assistant {
    /// `asst_…`
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// The model name it answers to.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The model behind it.
    pub model: String,
    /// What it is told first.
    pub instructions: Option<String>,
    /// `file_search` when it has knowledge bases.
    pub tools: Vec<AssistantTool>,
    /// Where `file_search` searches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_resources: Option<ToolResources>,
    /// Up to 16 pairs.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// 0 to 2.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default)]
    pub top_p: Option<f64>,
}

/// Save or change an assistant. When changing, absent fields stay as they are and null clears.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct SaveAssistant {
    /// The model behind it; required when saving a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model name it answers to, unique in the tenant; required when saving a new one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// For people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// What it is told first.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Option<String>>,
    /// Only `file_search` is served.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tools: Option<Option<Vec<AssistantTool>>>,
    /// Where `file_search` searches.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tool_resources: Option<Option<ToolResources>>,
    /// Up to 16 pairs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Option<Metadata>>,
    /// 0 to 2.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Option<f64>>,
    /// 0 to 1.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Option<f64>>,
}

/// A tool of an assistant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct AssistantTool {
    /// `file_search`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its settings, as they were sent.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What tools work on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ToolResources {
    /// For `file_search`; null takes all knowledge bases away.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub file_search: Option<Option<FileSearchResources>>,
}

/// Where `file_search` searches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FileSearchResources {
    /// Knowledge bases.
    #[serde(default)]
    pub vector_store_ids: Vec<String>,
    /// Knowledge bases to be made with the assistant, as they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector_stores: Option<Value>,
}
