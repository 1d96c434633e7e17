//! What stores derive from a passage's attributes, so that filters find it: one text for each attribute and its value,
//! and the numbers by name.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{AttributeValue, Attributes};

/// One text for an attribute and its value; different pairs give different texts.
pub(crate) fn tag(key: &str, value: &AttributeValue) -> String {
    match value {
        // Minus zero is zero.
        AttributeValue::Number(number) => json!([key, number + 0.0]),
        AttributeValue::Flag(flag) => json!([key, flag]),
        AttributeValue::Text(text) => json!([key, text]),
    }
    .to_string()
}

/// The attributes that are numbers.
pub(crate) fn numbers(attributes: &Attributes) -> impl Iterator<Item = (&String, f64)> {
    attributes.iter().filter_map(|(key, value)| match value {
        AttributeValue::Number(number) => Some((key, *number)),
        AttributeValue::Flag(_) | AttributeValue::Text(_) => None,
    })
}

/// An attribute's name as a part of a path of Qdrant's: a path quotes its parts and knows no escape, so what would end
/// the quote is written another way.
pub(crate) fn plain(attribute: &str) -> String {
    attribute.replace('%', "%25").replace('"', "%22").replace('\\', "%5c")
}

/// 32 letters of `0-9a-f` that stand for a text, the same always: 128 bits of its SHA-256.
pub(crate) fn fingerprint(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_start_of_sha_256() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn kinds_and_borders_are_told_apart() {
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        let tags = [
            tag("a", &text("1")),
            tag("a", &AttributeValue::Number(1.0)),
            tag("a\",\"1", &text("")),
            tag("a", &AttributeValue::Flag(true)),
            tag("a", &text("true")),
        ];
        assert_eq!(std::collections::BTreeSet::from(tags).len(), 5);
        assert_eq!(tag("a", &AttributeValue::Number(-0.0)), tag("a", &AttributeValue::Number(0.0)));
    }
}
