//! Text as a SentencePiece model wants to see it, with the way back to the original.

use std::{collections::HashMap, ops::Range};

use unicode_normalization::char::compose;

/// Stands for a space inside a piece.
pub(super) const META: char = '\u{2581}';

/// Replaces characters as the model's training did: full width to half width, ligatures to letters, controls to
/// nothing. A table per character, so letters followed by combining marks are composed first.
#[derive(Debug)]
pub(super) struct Normalizer {
    replacements: HashMap<char, Box<[char]>>,
    /// What the first 128 characters become: most text never reaches the table. `None` asks the table.
    ascii: [Option<char>; 128],
}

/// One word: the bytes of its characters in the model's form, the first of which is `META` when a space came before.
#[derive(Debug, Default)]
pub(super) struct Word {
    pub(super) text: String,
    /// For each character: where it begins in `text`, and which bytes of the source it came from.
    pub(super) chars: Vec<(usize, Range<usize>)>,
}

impl Word {
    fn push(&mut self, letter: char, source: Range<usize>) {
        self.chars.push((self.text.len(), source));
        self.text.push(letter);
    }

    fn clear(&mut self) {
        self.text.clear();
        self.chars.clear();
    }
}

impl Normalizer {
    pub(super) fn new(replacements: HashMap<char, Box<[char]>>) -> Self {
        let mut ascii = [None; 128];
        for (slot, letter) in ascii.iter_mut().zip('\0'..) {
            *slot = (!replacements.contains_key(&letter)).then_some(letter);
        }
        Self { replacements, ascii }
    }

    /// Calls `each` with the words of `text`. A word is what lies between runs of spaces; the spaces before it are
    /// its leading `META`, which the first word has in any case. Spaces at the end are a word of `META` alone.
    pub(super) fn words(&self, text: &str, mut each: impl FnMut(&Word)) {
        let mut word = Word::default();
        word.push(META, 0..0);
        let mut only_spaces = true; // of the word so far
        self.letters(text, |letter, source| match letter {
            ' ' if only_spaces => {
                // The space replaces the leading mark, or joins the run.
                if let Some((_, place)) = word.chars.first_mut() {
                    place.end = source.end;
                }
            }
            ' ' => {
                each(&word);
                word.clear();
                word.push(META, source);
                only_spaces = true;
            }
            letter => {
                only_spaces = false;
                word.push(letter, source);
            }
        });
        let invented = word.chars.len() == 1 && word.chars.first().is_some_and(|(_, place)| place.is_empty());
        if !invented {
            each(&word);
        }
    }

    /// Calls `each` with every character after replacement and the source bytes it stands for.
    fn letters(&self, text: &str, mut each: impl FnMut(char, Range<usize>)) {
        let mut letters = text.char_indices().peekable();
        while let Some((start, mut letter)) = letters.next() {
            let mut end = start + letter.len_utf8();
            // Composition only happens with marks, which are far beyond ASCII.
            while let Some((_, mark)) = letters.peek().copied().filter(|(_, mark)| *mark >= '\u{300}') {
                let Some(composed) = compose(letter, mark) else { break };
                letter = composed;
                end += mark.len_utf8();
                letters.next();
            }
            if let Some(Some(same)) = self.ascii.get(letter as usize) {
                each(*same, start..end);
            } else if let Some(replacement) = self.replacements.get(&letter) {
                replacement.iter().for_each(|letter| each(*letter, start..end));
            } else {
                each(letter, start..end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, Vec<Range<usize>>)> {
        let table = [
            ('Ａ', vec!['A'].into()),
            ('\t', vec![' '].into()),
            ('\u{1}', vec![].into()),
            ('㎏', vec!['k', 'g'].into()),
        ];
        let normalizer = Normalizer::new(table.into());
        let mut words = Vec::new();
        normalizer.words(text, |word| {
            words.push((word.text.clone(), word.chars.iter().map(|(_, source)| source.clone()).collect()));
        });
        words
    }

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn words_begin_with_their_space() {
        assert_eq!(texts("a bc"), ["▁a", "▁bc"]);
        assert_eq!(texts("  a \t b "), ["▁a", "▁b", "▁"]);
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(texts(" "), ["▁"]);
    }

    #[test]
    fn replaced_characters_keep_their_place() {
        assert_eq!(words("Ａ\u{1}㎏"), [("▁Akg".to_owned(), vec![0..0, 0..3, 4..7, 4..7])]);
    }

    #[test]
    fn marks_join_their_letter() {
        assert_eq!(words("cafe\u{301}"), [("▁café".to_owned(), vec![0..0, 0..1, 1..2, 2..3, 3..6])]);
    }
}
