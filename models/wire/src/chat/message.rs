//! What is said, and by whom.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::tools::ToolCall;

/// One turn of a conversation as the client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said: a string, parts, or null on an assistant turn that only calls tools.
    #[serde(default)]
    pub content: Option<Content>,
    /// Tells participants of one role apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Assistant: the tools it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Tool: the call that this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Assistant: what it said instead of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Fields that an upstream may know, and annotations of earlier answers that clients send back.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Message {
    /// A turn of plain text.
    #[must_use]
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        let content = Some(Content::Text(text.into()));
        Self { role, content, name: None, tool_calls: None, tool_call_id: None, refusal: None, other: Map::new() }
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions; newer name of `system`.
    Developer,
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// The result of a call in the interface before tools.
    Function,
}

/// A string or a list of parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// `"text"`
    Text(String),
    /// `[{"type": "text", …}, …]`
    Parts(Vec<Part>),
}

impl Content {
    /// The text, or `None` when a part is not text (an image, audio, a file).
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Parts(parts) => match parts.as_slice() {
                [Part::Text { text, .. }] => Some(Cow::Borrowed(text)),
                parts => parts
                    .iter()
                    .map(Part::as_text)
                    .collect::<Option<Vec<_>>>()
                    .map(|texts| Cow::Owned(texts.join("\n"))),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// Written out, because an untagged enum would hide what is wrong with a part.
struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string or a list of content parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Content, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(Content::Parts)
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", expecting = "a JSON object with a `type`")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// What an earlier answer said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl,
    },
    /// Sound.
    InputAudio {
        /// `{"data": base64, "format": "wav" | "mp3"}`
        input_audio: Value,
    },
    /// A file given with the question.
    File {
        /// `{"file_id"}` or `{"filename", "file_data"}`
        file: Value,
    },
}

impl Part {
    /// The text of a part that is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } | Self::Refusal { refusal: text } => Some(text),
            Self::ImageUrl { .. } | Self::InputAudio { .. } | Self::File { .. } => None,
        }
    }
}

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ImageUrl {
    /// A `data:` URL; others are refused by the gateway, which fetches nothing that a request names.
    pub url: String,
    /// `auto`, `low` or `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
