//! Traditional and simplified characters are one, as OpenCC's tables say: 資料庫 finds 资料库 and the other way about.

use std::borrow::Cow;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

/// The tables, read once. They are in the program, so that reading them does not fail.
static TABLES: LazyLock<Option<OpenCC>> = LazyLock::new(|| OpenCC::from_config(BuiltinConfig::T2s).ok());

/// The text with each traditional character and word in its simplified form.
pub(super) fn simplified(text: &str) -> Cow<'_, str> {
    match TABLES.as_ref().filter(|_| has_han(text)) {
        Some(tables) => Cow::Owned(tables.convert(text)),
        None => Cow::Borrowed(text),
    }
}

pub(super) fn warm() {
    LazyLock::force(&TABLES);
}

fn has_han(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_there_and_other_text_is_left_alone() {
        assert_eq!(simplified("資料庫與網絡的設定"), "资料库与网络的设定");
        assert_eq!(simplified("资料库与网络的设定"), "资料库与网络的设定");
        assert!(matches!(simplified("plain words"), Cow::Borrowed(_)));
    }
}
