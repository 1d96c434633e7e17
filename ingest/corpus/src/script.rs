//! Which writing a character belongs to: what tells Chinese from English in a text.

/// Characters of writing without spaces between words: Chinese and Japanese, with their punctuation.
pub(crate) fn is_cjk(letter: char) -> bool {
    matches!(letter,
        '\u{2E80}'..='\u{2FFF}' // radicals
        | '\u{3000}'..='\u{30FF}' // punctuation and kana
        | '\u{3400}'..='\u{9FFF}' // ideographs
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF00}'..='\u{FFEF}' // full-width forms
        | '\u{20000}'..='\u{3FFFF}')
}

/// The language an answer should be written in, as far as this product words its own sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Simplified Chinese.
    Chinese,
    /// English, also for every other language.
    English,
}

impl Language {
    /// The language of a question: Chinese when it has as many Chinese characters as Latin words, as
    /// "Kubernetes 的 Pod 是什么" has.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let ideographs = text.chars().filter(|letter| is_cjk(*letter) && letter.is_alphabetic()).count();
        let latin = |word: &&str| word.chars().any(|letter| letter.is_ascii_alphabetic());
        let words = text.split(|letter: char| is_cjk(letter) || !letter.is_alphanumeric()).filter(latin).count();
        if ideographs > 0 && ideographs >= words { Self::Chinese } else { Self::English }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_questions_follow_the_writing_they_are_built_in() {
        for chinese in ["年假有几天？", "Kubernetes 的 Pod 是什么", "什么是 GPU time slicing？"] {
            assert_eq!(Language::of(chinese), Language::Chinese, "{chinese}");
        }
        for english in ["How many days of leave?", "", "What does 年假 mean in English?", "¿Qué es?"] {
            assert_eq!(Language::of(english), Language::English, "{english}");
        }
    }
}
