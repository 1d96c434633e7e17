//! Stream events.
//!
//! Published order: `created`, `in_progress`; for each search `output_item.added`, `file_search_call.in_progress`, `.searching`,
//! `.completed`, `output_item.done`; for the message `output_item.added`, `content_part.added`, `output_text.delta` and
//! `output_text.annotation.added` as they come, `output_text.done`, `content_part.done`, `output_item.done`; last one of
//! `completed`, `incomplete` and `failed`. `sequence_number` counts from 0 without gaps.

use serde::{Deserialize, Serialize};

use super::object::{OutputItem, OutputPart, ResponseObject};
use crate::chat::TokenLogprob;
use crate::citation::Annotation;

/// An event and its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamEvent {
    /// What happened; its tag is the event's name.
    #[serde(flatten)]
    pub kind: EventKind,
    /// From 0, without gaps.
    pub sequence_number: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum EventKind {
    /// The response has an id.
    #[serde(rename = "response.created")]
    Created {
        /// As it is now.
        response: Box<ResponseObject>,
    },
    /// The response is being made.
    #[serde(rename = "response.in_progress")]
    InProgress {
        /// As it is now.
        response: Box<ResponseObject>,
    },
    /// Ended well.
    #[serde(rename = "response.completed")]
    Completed {
        /// The whole response.
        response: Box<ResponseObject>,
    },
    /// Ended early.
    #[serde(rename = "response.incomplete")]
    Incomplete {
        /// What there is.
        response: Box<ResponseObject>,
    },
    /// Ended badly.
    #[serde(rename = "response.failed")]
    Failed {
        /// With `error`.
        response: Box<ResponseObject>,
    },
    /// An item began.
    #[serde(rename = "response.output_item.added")]
    OutputItemAdded {
        /// Place in `output`.
        output_index: u32,
        /// As it is now.
        item: OutputItem,
    },
    /// An item ended.
    #[serde(rename = "response.output_item.done")]
    OutputItemDone {
        /// Place in `output`.
        output_index: u32,
        /// The whole item.
        item: OutputItem,
    },
    /// A search began.
    #[serde(rename = "response.file_search_call.in_progress")]
    FileSearchInProgress {
        /// Place in `output`.
        output_index: u32,
        /// The item.
        item_id: String,
    },
    /// The stores are being asked.
    #[serde(rename = "response.file_search_call.searching")]
    FileSearchSearching {
        /// Place in `output`.
        output_index: u32,
        /// The item.
        item_id: String,
    },
    /// A search ended.
    #[serde(rename = "response.file_search_call.completed")]
    FileSearchCompleted {
        /// Place in `output`.
        output_index: u32,
        /// The item.
        item_id: String,
    },
    /// A part of a message began.
    #[serde(rename = "response.content_part.added")]
    ContentPartAdded {
        /// The item.
        item_id: String,
        /// Place in `output`.
        output_index: u32,
        /// Place in `content`.
        content_index: u32,
        /// As it is now: empty.
        part: OutputPart,
    },
    /// A part of a message ended.
    #[serde(rename = "response.content_part.done")]
    ContentPartDone {
        /// The item.
        item_id: String,
        /// Place in `output`.
        output_index: u32,
        /// Place in `content`.
        content_index: u32,
        /// The whole part.
        part: OutputPart,
    },
    /// The next characters.
    #[serde(rename = "response.output_text.delta")]
    OutputTextDelta {
        /// The item.
        item_id: String,
        /// Place in `output`.
        output_index: u32,
        /// Place in `content`.
        content_index: u32,
        /// The characters.
        delta: String,
        /// Of their tokens; empty unless asked for.
        #[serde(default)]
        logprobs: Vec<TokenLogprob>,
    },
    /// A citation.
    #[serde(rename = "response.output_text.annotation.added")]
    AnnotationAdded {
        /// The item.
        item_id: String,
        /// Place in `output`.
        output_index: u32,
        /// Place in `content`.
        content_index: u32,
        /// Place in `annotations`.
        annotation_index: u32,
        /// The citation.
        annotation: Annotation,
    },
    /// The text is whole.
    #[serde(rename = "response.output_text.done")]
    OutputTextDone {
        /// The item.
        item_id: String,
        /// Place in `output`.
        output_index: u32,
        /// Place in `content`.
        content_index: u32,
        /// The text.
        text: String,
        /// Of its tokens; empty unless asked for.
        #[serde(default)]
        logprobs: Vec<TokenLogprob>,
    },
    /// The stream broke before there was a response to fail.
    #[serde(rename = "error")]
    Error {
        /// The stable name.
        code: Option<String>,
        /// For people.
        message: String,
        /// The request field at fault.
        param: Option<String>,
    },
}

impl EventKind {
    /// The event's published name: its `type`, and the `event:` line where one is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "response.created",
            Self::InProgress { .. } => "response.in_progress",
            Self::Completed { .. } => "response.completed",
            Self::Incomplete { .. } => "response.incomplete",
            Self::Failed { .. } => "response.failed",
            Self::OutputItemAdded { .. } => "response.output_item.added",
            Self::OutputItemDone { .. } => "response.output_item.done",
            Self::FileSearchInProgress { .. } => "response.file_search_call.in_progress",
            Self::FileSearchSearching { .. } => "response.file_search_call.searching",
            Self::FileSearchCompleted { .. } => "response.file_search_call.completed",
            Self::ContentPartAdded { .. } => "response.content_part.added",
            Self::ContentPartDone { .. } => "response.content_part.done",
            Self::OutputTextDelta { .. } => "response.output_text.delta",
            Self::AnnotationAdded { .. } => "response.output_text.annotation.added",
            Self::OutputTextDone { .. } => "response.output_text.done",
            Self::Error { .. } => "error",
        }
    }
}
