//! A field that is null is not a field that is absent: when something is changed, absent stays and null clears.

use serde::{Deserialize, Deserializer};

/// Reads a field that is there, be it null; with `#[serde(default)]`, one that is absent is `None`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
