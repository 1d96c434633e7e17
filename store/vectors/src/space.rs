//! The name of a set of vectors and what it was made for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::VectorsError;

/// Longest space id: the name of a folder, and of a collection on a server.
const LONGEST: usize = 128;

/// The name of one knowledge base's vectors: the vector store's id and a generation, so that a change of
/// embedder fills a new space beside the old one. Unique within a tenant; two tenants may use the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceId(String);

impl SpaceId {
    /// The space of a vector store in its given generation.
    ///
    /// # Errors
    /// [`VectorsError::BadSpaceId`] when the store's id has other characters than letters, digits, `_`, `-`.
    pub fn new(store: &str, generation: u32) -> Result<Self, VectorsError> {
        Self::parse(&format!("{store}-g{generation}"))
    }

    /// A space id from its text.
    ///
    /// # Errors
    /// [`VectorsError::BadSpaceId`] unless it is 1 to 128 of letters, digits, `_`, `-`: no path can be made of these.
    pub fn parse(text: &str) -> Result<Self, VectorsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(VectorsError::BadSpaceId(text.chars().take(LONGEST).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SpaceId {
    type Error = VectorsError;

    fn try_from(text: String) -> Result<Self, VectorsError> {
        Self::parse(&text)
    }
}

impl From<SpaceId> for String {
    fn from(space: SpaceId) -> Self {
        space.0
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for SpaceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// What a space was made for. Fixed at the first `ensure`; another spec for the same space is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpaceSpec {
    /// Length of each vector.
    pub dimensions: usize,
    /// Identity of the embedder (name and revision of its weights): vectors of different embedders do not compare.
    pub embedder: String,
}

impl fmt::Display for SpaceSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` with {} dimensions", self.embedder, self.dimensions)
    }
}
