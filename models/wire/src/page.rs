//! Lists and their cursors.

use serde::{Deserialize, Serialize};

/// A page of objects, newest first unless asked otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "list")]
pub struct ListPage<T> {
    /// The objects of this page.
    pub data: Vec<T>,
    /// Id of the first object, null on an empty page.
    #[serde(default)]
    pub first_id: Option<String>,
    /// Id of the last object: the `after` of the next page.
    #[serde(default)]
    pub last_id: Option<String>,
    /// Whether another page follows.
    #[serde(default)]
    pub has_more: bool,
}

impl<T> ListPage<T> {
    /// A page whose cursors are read from its items.
    pub fn new(data: Vec<T>, has_more: bool, id: impl Fn(&T) -> &str) -> Self {
        let first_id = data.first().map(|item| id(item).to_owned());
        let last_id = data.last().map(|item| id(item).to_owned());
        Self { data, first_id, last_id, has_more }
    }
}

/// The query string of a list call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Objects a page; the door decides default and maximum (20 and 100, for files 10,000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// By `created_at`; descending when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Only what follows this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only what precedes this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Vector store files: only those in this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<crate::vector_stores::FileStatus>,
    /// Files: only those of this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Direction of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// The answer to a DELETE: `{"id", "object", "deleted": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// What was deleted.
    pub id: String,
    /// Which kind of object it was.
    pub object: DeletedObject,
    /// Always true: what cannot be deleted is an error.
    pub deleted: bool,
}

impl Deleted {
    /// Confirms that `id` is gone.
    #[must_use]
    pub fn new(object: DeletedObject, id: impl Into<String>) -> Self {
        Self { id: id.into(), object, deleted: true }
    }
}

/// The `object` of a [`Deleted`], as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletedObject {
    /// A file; OpenAI writes no `.deleted` here.
    #[serde(rename = "file")]
    File,
    /// A model; OpenAI writes no `.deleted` here.
    #[serde(rename = "model")]
    Model,
    /// A vector store.
    #[serde(rename = "vector_store.deleted")]
    VectorStore,
    /// A file detached from a vector store.
    #[serde(rename = "vector_store.file.deleted")]
    VectorStoreFile,
    /// An assistant.
    #[serde(rename = "assistant.deleted")]
    Assistant,
    /// A stored response.
    #[serde(rename = "response")]
    Response,
}
