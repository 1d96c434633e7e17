//! Texts as every database keeps them.

use std::borrow::Cow;

/// The text with U+FFFD for each U+0000, which PostgreSQL cannot keep in a text. For records of what a client sent: one bad
/// name must not keep a whole batch of rows from being written.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_kept_is_replaced() {
        assert_eq!(storable("模型\0-1"), "模型\u{fffd}-1");
        assert_eq!(storable("模型-1"), "模型-1");
    }
}
