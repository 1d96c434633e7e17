//! An answer in pieces, in the order that clients rely on.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::{FinishReason, Logprobs};
use super::message::Role;
use super::tools::ToolCallDelta;
use crate::citation::Annotation;
use crate::usage::Usage;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "chat.completion.chunk")]
pub struct Chunk {
    /// The same in all chunks.
    pub id: String,
    /// Unix seconds, the same in all chunks.
    pub created: i64,
    /// The same in all chunks.
    pub model: String,
    /// One piece; none in the chunk that carries the counts.
    pub choices: Vec<ChunkChoice>,
    /// Token counts, where asked for.
    #[serde(default, skip_serializing_if = "StreamUsage::is_unasked")]
    pub usage: StreamUsage,
    /// Names the engine's build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
}

/// A piece of a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Which choice.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// Null unless asked for.
    #[serde(default)]
    pub logprobs: Option<Logprobs>,
    /// Null until the choice's last chunk.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a chunk; absent fields are not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// First chunk of a choice only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The next characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The next characters of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Extension that many servers share: the next characters of what the model thinks before it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The next pieces of tool calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
    /// All citations of the choice at once, see [`Chunks::annotations`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// The `usage` of a stream's event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamUsage {
    /// Not asked for: the field is not written.
    #[default]
    Unasked,
    /// Asked for, and this is not the last chunk: `null`.
    Pending,
    /// The counts.
    Total(Usage),
}

impl StreamUsage {
    /// Whether the field is left out.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        matches!(self, Self::Unasked)
    }

    /// The counts, once they are known.
    #[must_use]
    pub fn total(&self) -> Option<Usage> {
        match self {
            Self::Total(usage) => Some(*usage),
            Self::Unasked | Self::Pending => None,
        }
    }
}

impl Serialize for StreamUsage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.total().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StreamUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Pending, Self::Total))
    }
}

/// Makes the chunks of one stream: same id, time and model in each, `usage` only as asked for.
#[derive(Debug, Clone)]
pub struct Chunks {
    id: String,
    created: i64,
    model: String,
    usage: StreamUsage,
}

impl Chunks {
    /// A stream that carries token counts when `include_usage` was asked for.
    #[must_use]
    pub fn new(id: String, created: i64, model: String, include_usage: Option<bool>) -> Self {
        let usage = if include_usage.unwrap_or(false) { StreamUsage::Pending } else { StreamUsage::Unasked };
        Self { id, created, model, usage }
    }

    /// Id, time and model, for an answer that is not streamed after all.
    #[must_use]
    pub fn into_parts(self) -> (String, i64, String) {
        (self.id, self.created, self.model)
    }

    /// The first chunk of a choice: `{"role": "assistant", "content": ""}`.
    #[must_use]
    pub fn role(&self, index: u32) -> Chunk {
        self.piece(index, Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() })
    }

    /// The next characters, with the log probabilities of their tokens where asked for.
    #[must_use]
    pub fn text(&self, index: u32, text: impl Into<String>, logprobs: Option<Logprobs>) -> Chunk {
        let delta = Delta { content: Some(text.into()), ..Delta::default() };
        self.choice(ChunkChoice { index, delta, logprobs, finish_reason: None })
    }

    /// The next characters of what the model thinks.
    #[must_use]
    pub fn reasoning(&self, index: u32, text: impl Into<String>) -> Chunk {
        self.piece(index, Delta { reasoning_content: Some(text.into()), ..Delta::default() })
    }

    /// A piece of a tool call.
    #[must_use]
    pub fn tool_call(&self, index: u32, call: ToolCallDelta) -> Chunk {
        self.piece(index, Delta { tool_calls: vec![call], ..Delta::default() })
    }

    /// All citations of a choice, once, after its text.
    ///
    /// Once, because openai-node's stream helper keeps only the last list and openai-python's merges lists by `index`.
    #[must_use]
    pub fn annotations(&self, index: u32, annotations: Vec<Annotation>) -> Chunk {
        self.piece(index, Delta { annotations, ..Delta::default() })
    }

    /// The last chunk of a choice: `delta: {}` and the reason.
    #[must_use]
    pub fn finish(&self, index: u32, reason: FinishReason) -> Chunk {
        self.choice(ChunkChoice { index, delta: Delta::default(), logprobs: None, finish_reason: Some(reason) })
    }

    /// The last chunk of the stream, `choices: []` and the counts; `None` when nobody asked.
    #[must_use]
    pub fn total(&self, usage: Usage) -> Option<Chunk> {
        let chunk = Chunk { usage: StreamUsage::Total(usage), ..self.chunk(Vec::new()) };
        (!self.usage.is_unasked()).then_some(chunk)
    }

    fn piece(&self, index: u32, delta: Delta) -> Chunk {
        self.choice(ChunkChoice { index, delta, logprobs: None, finish_reason: None })
    }

    fn choice(&self, choice: ChunkChoice) -> Chunk {
        self.chunk(vec![choice])
    }

    fn chunk(&self, choices: Vec<ChunkChoice>) -> Chunk {
        Chunk {
            id: self.id.clone(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: self.usage,
            system_fingerprint: None,
        }
    }
}
