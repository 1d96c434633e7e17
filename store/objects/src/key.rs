//! Names of objects.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ObjectsError;

/// Longest key in bytes: below the limit of S3 (1024) with room for a prefix and the tenant.
const LONGEST: usize = 512;
/// Longest part in bytes: below the limit of common file systems (255) with room for a suffix.
const LONGEST_PART: usize = 200;

/// The name of an object within its tenant, as `files/<id>` or `texts/<file>/<version>`.
///
/// Parts are letters, digits, `.`, `_` and `-`, joined by `/`; no part is empty or starts with a dot, so no key
/// leaves its tenant's folder and none collides with the store's own files.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A key from its text.
    ///
    /// # Errors
    /// [`ObjectsError::BadKey`] when a part is empty, too long, starts with a dot or has another character.
    pub fn parse(text: &str) -> Result<Self, ObjectsError> {
        if text.len() > LONGEST || !text.split('/').all(is_part) {
            return Err(ObjectsError::BadKey(text.chars().take(LONGEST).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this may stand between two slashes.
pub(crate) fn is_part(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty() && part.len() <= LONGEST_PART && !part.starts_with('.') && part.bytes().all(plain)
}

impl TryFrom<String> for ObjectKey {
    type Error = ObjectsError;

    fn try_from(text: String) -> Result<Self, ObjectsError> {
        Self::parse(&text)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}
