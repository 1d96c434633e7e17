//! The fakes' tokenizer: a word is a token.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{EngineError, TokenCounter};

/// Splits at borders of words: a run of letters and digits is one token, any other visible character is one token,
/// and so is each Chinese character. White space belongs to no token.
///
/// Ids are hashes of the words. `decode` knows the words this instance has encoded and joins them with a space.
#[derive(Debug, Default)]
pub struct FakeTokens {
    seen: Mutex<HashMap<u32, String>>,
}

impl FakeTokens {
    fn seen(&self) -> MutexGuard<'_, HashMap<u32, String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenCounter for FakeTokens {
    fn count(&self, text: &str) -> usize {
        ranges(text).len()
    }

    fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        ranges(text)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let mut seen = self.seen();
        let words = ranges(text).into_iter().filter_map(|range| text.get(range));
        let ids = words.map(|word| {
            let id = hash(word);
            seen.entry(id).or_insert_with(|| word.to_owned());
            id
        });
        ids.collect()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        let seen = self.seen();
        let word = |id: &u32| seen.get(id).map(String::as_str);
        let words: Option<Vec<&str>> = tokens.iter().map(word).collect();
        let words = words.ok_or_else(|| EngineError::Tokenizer("an id is not in the vocabulary".to_owned()))?;
        Ok(words.join(" "))
    }
}

/// FNV-1a of the word in lower case, so the same word has the same id in every process.
pub(super) fn hash(word: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    word.to_lowercase().bytes().fold(2_166_136_261, step)
}

/// Byte ranges of the words of `text`.
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut open = false; // the last word may still grow
    for (start, letter) in text.char_indices() {
        let end = start + letter.len_utf8();
        let joins = letter.is_alphanumeric() && !is_ideograph(letter);
        match words.last_mut() {
            Some(word) if joins && open => word.end = end,
            _ if letter.is_whitespace() => {}
            _ => words.push(start..end),
        }
        open = joins;
    }
    words
}

/// Characters of writing without spaces: Chinese, Japanese kana, Korean syllables.
fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ideographs_are_tokens_and_spaces_are_not() {
        let text = "Hello, 2024 你好";
        let words: Vec<&str> = ranges(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(words, ["Hello", ",", "2024", "你", "好"]);
    }

    #[test]
    fn decoding_gives_the_words_back() {
        let tokens = FakeTokens::default();
        let ids = tokens.encode("a b  你");
        assert_eq!(tokens.decode(&ids).unwrap(), "a b 你");
        assert!(matches!(tokens.decode(&[7]), Err(EngineError::Tokenizer(_))));
    }
}
