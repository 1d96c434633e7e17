//! The tokenizer of XLM-RoBERTa: the likeliest cut of each word into pieces.

use std::{collections::HashMap, ops::Range};

use super::{
    TokenCounter,
    normalizer::{META, Normalizer, Word},
    trie::{ROOT, Trie},
};
use crate::EngineError;

/// How much less likely than the rarest piece an unknown character is; SentencePiece's own constant.
const UNKNOWN_PENALTY: f64 = 10.0;

/// What a SentencePiece unigram model consists of.
#[derive(Debug, Default)]
pub(crate) struct UnigramParts {
    /// The pieces with their log probabilities; the index is the id.
    pub(crate) pieces: Vec<(String, f32)>,
    /// Ids that only the program may use: texts that spell them out are cut into ordinary pieces.
    pub(crate) special: Vec<u32>,
    /// The id of what no piece covers.
    pub(crate) unknown: u32,
    /// What characters are replaced with before anything else.
    pub(crate) replacements: HashMap<char, Box<[char]>>,
}

/// A SentencePiece unigram tokenizer.
#[derive(Debug)]
pub(crate) struct Unigram {
    normalizer: Normalizer,
    trie: Trie,
    pieces: Vec<(String, f32)>,
    special: Vec<u32>,
    unknown: u32,
    unknown_score: f64,
}

/// The best way to reach a place in a word.
#[derive(Debug, Clone, Copy)]
struct Best {
    score: f64,
    piece: u32,
    /// Index of the character where the piece begins.
    from: usize,
}

/// Memory that is used again for each word.
#[derive(Debug, Default)]
struct Scratch {
    best: Vec<Best>,
    /// For each byte of the word: the index of the character that ends before it, or `usize::MAX` inside one.
    ends: Vec<usize>,
    cut: Vec<(u32, Range<usize>)>,
}

impl Unigram {
    pub(crate) fn new(parts: UnigramParts) -> Self {
        let UnigramParts { pieces, special, unknown, replacements } = parts;
        let usable = |id: &u32| *id != unknown && !special.contains(id);
        let named = pieces.iter().zip(0_u32..).map(|((piece, _), id)| (piece.as_bytes(), id));
        let strings = named.filter(|(piece, id)| !piece.is_empty() && usable(id)).collect();
        let lowest = pieces.iter().map(|(_, score)| f64::from(*score)).fold(0.0, f64::min);
        let trie = Trie::new(strings);
        let normalizer = Normalizer::new(replacements);
        Self { normalizer, trie, pieces, special, unknown, unknown_score: lowest - UNKNOWN_PENALTY }
    }

    /// Calls `each` with every token and the bytes of `text` that it stands for, in order.
    fn tokens(&self, text: &str, mut each: impl FnMut(u32, Range<usize>)) {
        let mut scratch = Scratch::default();
        self.normalizer.words(text, |word| {
            self.cut(word, &mut scratch);
            for (piece, chars) in scratch.cut.drain(..).rev() {
                each(piece, source_of(word, chars));
            }
        });
    }

    /// Fills `scratch.cut` with the likeliest cut of `word`, last piece first (Viterbi).
    fn cut(&self, word: &Word, scratch: &mut Scratch) {
        let length = word.chars.len();
        scratch.best.clear();
        scratch.best.resize(length + 1, Best { score: f64::NEG_INFINITY, piece: self.unknown, from: 0 });
        scratch.ends.clear();
        scratch.ends.resize(word.text.len() + 1, usize::MAX);
        for (index, (start, _)) in word.chars.iter().enumerate() {
            set(&mut scratch.ends, *start, index);
        }
        set(&mut scratch.ends, word.text.len(), length);
        set(&mut scratch.best, 0, Best { score: 0.0, piece: self.unknown, from: 0 });
        for (index, (start, _)) in word.chars.iter().enumerate() {
            self.extend(word, index, *start, scratch);
        }
        let mut end = length;
        while let Some(best) = scratch.best.get(end).copied().filter(|_| end > 0) {
            scratch.cut.push((best.piece, best.from..end));
            end = best.from;
        }
    }

    /// Offers every piece that begins at the character `index`, and the unknown character.
    fn extend(&self, word: &Word, index: usize, start: usize, scratch: &mut Scratch) {
        let Some(here) = scratch.best.get(index).map(|best| best.score) else { return };
        let mut offer = |end: usize, piece: u32, score: f64| {
            if let Some(best) = scratch.best.get_mut(end).filter(|best| score > best.score) {
                *best = Best { score, piece, from: index };
            }
        };
        let mut node = ROOT;
        let bytes = word.text.as_bytes().get(start..).unwrap_or_default();
        for (byte, end) in bytes.iter().zip(scratch.ends.get(start + 1..).unwrap_or_default()) {
            let Some(next) = self.trie.step(node, *byte) else { break };
            node = next;
            if let Some(piece) = self.trie.value(node) {
                let score = self.pieces.get(piece as usize).map_or(0.0, |(_, score)| *score);
                offer(*end, piece, here + f64::from(score));
            }
        }
        offer(index + 1, self.unknown, here + self.unknown_score);
    }
}

fn set<T>(values: &mut [T], index: usize, value: T) {
    if let Some(slot) = values.get_mut(index) {
        *slot = value;
    }
}

/// The source bytes of some characters of a word. The leading mark counts only when it stands alone, so that a
/// token's range is its word without the space before it.
fn source_of(word: &Word, chars: Range<usize>) -> Range<usize> {
    let chars = word.chars.get(chars).unwrap_or_default();
    let marked = chars.first().is_some_and(|(start, _)| *start == 0) && word.text.starts_with(META);
    let visible = if marked && chars.len() > 1 { chars.get(1..).unwrap_or_default() } else { chars };
    let start = visible.first().map_or(0, |(_, source)| source.start);
    start..visible.last().map_or(start, |(_, source)| source.end)
}

impl TokenCounter for Unigram {
    fn count(&self, text: &str) -> usize {
        let mut count = 0;
        self.tokens(text, |_, _| count += 1);
        count
    }

    fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let mut offsets = Vec::with_capacity(text.len() / 4);
        self.tokens(text, |_, range| offsets.push(range));
        offsets
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 4);
        self.tokens(text, |id, _| ids.push(id));
        ids
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        let mut text = String::new();
        for id in tokens.iter().filter(|id| !self.special.contains(id)) {
            let unknown = || EngineError::Tokenizer(format!("id {id} is not in the vocabulary"));
            let (piece, _) = self.pieces.get(*id as usize).ok_or_else(unknown)?;
            text.extend(piece.chars().map(|letter| if letter == META { ' ' } else { letter }));
        }
        Ok(text.strip_prefix(' ').map(str::to_owned).unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Unigram {
        let pieces = [
            ("<s>", 0.0),
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("▁he", -4.0),
            ("llo", -5.0),
            ("▁hello", -8.0),
            ("你", -6.0),
            ("好", -6.0),
            ("你好", -11.0),
            ("s", -4.0),
        ];
        let pieces = pieces.iter().map(|(piece, score)| ((*piece).to_owned(), *score)).collect();
        Unigram::new(UnigramParts { pieces, special: vec![0], unknown: 1, replacements: HashMap::new() })
    }

    #[test]
    fn the_likeliest_cut_wins() {
        let tokens = small();
        assert_eq!(tokens.encode("hello  你好"), [5, 2, 8]); // -8 beats -4-5, -11 beats -6-6
        assert_eq!(tokens.offsets("hello  你好"), [0..5, 5..7, 7..13]);
        assert_eq!(tokens.decode(&[5, 2, 8]).unwrap(), "hello 你好");
        assert_eq!(tokens.count(""), 0);
    }

    #[test]
    fn unknown_characters_are_one_token_each_and_special_names_are_text() {
        let tokens = small();
        assert_eq!(tokens.encode("<s>"), [2, 1, 9, 1]);
        assert_eq!(tokens.offsets("<s>"), [0..0, 0..1, 1..2, 2..3]);
        assert!(matches!(tokens.decode(&[99]), Err(EngineError::Tokenizer(_))));
    }
}
