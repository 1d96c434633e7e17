//! What is stored and what comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::VectorsError;

/// The caller's own fields of a file, used in filters.
pub type Attributes = BTreeMap<String, AttributeValue>;

/// One attribute's value.
///
/// A number is a double, as in JSON: two integers that differ only past 2^53 are the same number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A text, compared byte by byte.
    Text(String),
}

/// A passage with its vector, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Identity within the space; writing the same id again replaces the point. Derived by the caller from
    /// (document, version, ordinal), so that a repeated run changes nothing.
    pub id: Uuid,
    /// The embedding of the passage; any length but zero, stores normalise it for cosine.
    pub dense: Vec<f32>,
    /// What the vector stands for.
    pub passage: Passage,
}

impl Point {
    /// Refuses what a space of these dimensions cannot hold.
    pub(crate) fn check(&self, dimensions: usize) -> Result<(), VectorsError> {
        check_vector(&self.dense, dimensions)?;
        let endless = |value: &AttributeValue| matches!(value, AttributeValue::Number(number) if !number.is_finite());
        match self.passage.attributes.iter().find(|(_, value)| endless(value)) {
            Some((key, _)) => Err(VectorsError::BadAttribute(key.clone())),
            None => Ok(()),
        }
    }
}

/// Refuses a vector of another length, or without a direction.
pub(crate) fn check_vector(vector: &[f32], dimensions: usize) -> Result<(), VectorsError> {
    if vector.len() != dimensions {
        return Err(VectorsError::Dimensions { expected: dimensions, found: vector.len() });
    }
    if !vector.iter().all(|value| value.is_finite()) {
        return Err(VectorsError::BadVector("it holds NaN or infinity"));
    }
    if vector.iter().all(|value| *value == 0.0) {
        return Err(VectorsError::BadVector("all its values are zero"));
    }
    Ok(())
}

/// A piece of a document and where it came from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Passage {
    /// The file's id.
    pub file: String,
    /// Which indexing of the file this is; older versions are deleted once a newer one is complete.
    pub version: i64,
    /// Place of the passage in its document, from 0.
    pub ordinal: u32,
    /// First page, from 1, where the format has pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Last page, from 1, when the passage runs over more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_end: Option<u32>,
    /// Start in the stored text of the file, in Unicode scalar values.
    pub start: u64,
    /// End (exclusive) in the stored text of the file, in Unicode scalar values.
    pub end: u64,
    /// Headings above the passage, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heading: Vec<String>,
    /// The file's name, for display.
    pub filename: String,
    /// The passage's own text; the lexical search reads this and the headings.
    pub text: String,
    /// The caller's fields of the file.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Identity of the point.
    pub id: Uuid,
    /// Cosine (−1 to 1) of a dense search, BM25 (above 0, no upper bound) of a lexical one. Higher is better.
    pub score: f32,
    /// What was found.
    pub passage: Passage,
}
