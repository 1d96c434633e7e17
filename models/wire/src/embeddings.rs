//! `POST /v1/embeddings`.

use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::input::Input;
use crate::usage::InputUsage;

/// Most inputs of one request. Source: OpenAI's reference for `input`.
pub const MAX_INPUTS: usize = 2048;
/// Most token ids of one input. Source: OpenAI's reference for `input`.
pub const MAX_INPUT_TOKENS: usize = 8192;
/// Most token ids of one request. Source: OpenAI's reference for `input`.
pub const MAX_TOKENS: usize = 300_000;

/// Turn texts into vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct EmbeddingsRequest {
    /// The embedding model.
    pub model: String,
    /// Texts or token ids. What is longer than the model's context is cut there, because clients such as langchain split by
    /// OpenAI's 8,191 tokens and know no other limit; the answer's `x-kubemate-truncated` says how many inputs were cut,
    /// and the field `truncate: false` has them refused instead.
    pub input: Input,
    /// `float` when absent; SDKs ask for `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<EncodingFormat>,
    /// Length of the vectors, for models that can be cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// The end user, for abuse reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Extension: what the texts are, for models that embed questions and passages differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_type: Option<InputType>,
    /// Fields that an upstream may know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncodingFormat {
    /// JSON numbers.
    #[default]
    Float,
    /// Little-endian f32 in standard base64.
    Base64,
}

/// What a text is. Accepts the words of Cohere, Voyage and NVIDIA servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// A question.
    #[serde(alias = "search_query")]
    Query,
    /// Something that is searched.
    #[serde(alias = "search_document", alias = "document")]
    Passage,
}

/// Vectors in the order of the inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "list")]
pub struct EmbeddingsResponse {
    /// One an input.
    pub data: Vec<Embedding>,
    /// The model that made them.
    pub model: String,
    /// Tokens of all inputs.
    pub usage: InputUsage,
}

/// The vector of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename = "embedding")]
pub struct Embedding {
    /// Place of the input in the request.
    pub index: usize,
    /// The vector.
    pub embedding: Vector,
}

/// A vector and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// As JSON numbers.
    Float(Vec<f32>),
    /// As base64 of little-endian f32.
    Base64(Vec<f32>),
}

impl Vector {
    /// A vector that will be written in `format`.
    #[must_use]
    pub fn new(values: Vec<f32>, format: EncodingFormat) -> Self {
        match format {
            EncodingFormat::Float => Self::Float(values),
            EncodingFormat::Base64 => Self::Base64(values),
        }
    }

    /// The numbers, however they are written.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Float(values) | Self::Base64(values) => values,
        }
    }
}

impl Serialize for Vector {
    /// Base64 goes from the vector's own memory into the writer, without a copy in between.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Float(values) => serializer.collect_seq(values),
            #[cfg(target_endian = "little")]
            Self::Base64(values) => {
                serializer.collect_str(&Base64Display::new(bytemuck::cast_slice(values), &STANDARD))
            }
            #[cfg(target_endian = "big")]
            Self::Base64(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                serializer.collect_str(&Base64Display::new(&bytes, &STANDARD))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vector;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of numbers, or base64 of little-endian f32")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = STANDARD.decode(text).map_err(E::custom)?;
        let (values, left) = bytes.as_chunks::<4>();
        if !left.is_empty() {
            return Err(E::custom("the bytes are not a whole number of f32"));
        }
        Ok(Vector::Base64(values.iter().copied().map(f32::from_le_bytes).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vector, A::Error> {
        let mut values = Vec::with_capacity(seq.size_hint().unwrap_or(0));
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Vector::Float(values))
    }
}
