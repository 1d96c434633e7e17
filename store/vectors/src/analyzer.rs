//! From text to terms, the same for passages and questions, for Chinese, English and what is mixed of them.
//!
//! 1. Full and half width are made one (Unicode NFKC), letters are made small, traditional characters simplified (see
//!    [`variants`]).
//! 2. Clause and document numbers become one term whatever they are written with: `第十二条` and `第12条`,
//!    `银发〔2024〕12号` and `银发[2024]12号` (see [`numbering`]).
//! 3. Chinese is cut into words by jieba, longer words also into the words inside them.
//! 4. Words of letters lose their English endings (Snowball); codes as `ISO-27001` are kept whole and in parts (see
//!    [`codes`]).
//! 5. Scripts without spaces that jieba does not know (kana, hangul, Thai) become pairs of characters.

mod codes;
mod numbering;
mod stop;
mod variants;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jieba_rs::Jieba;
use unicode_normalization::UnicodeNormalization;

/// The dictionary, read once; see [`warm`].
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// The terms of a text, in order, with repetitions: what the lexical search counts and what citations compare.
///
/// A word may give more than one term: `数据库` gives `数据` and `数据库`, `ISO-27001` gives `iso27001`, `iso` and `27001`.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let text: String = text.nfkc().flat_map(char::to_lowercase).collect();
    terms(&variants::simplified(&text))
}

/// The terms of a text as they were before traditional characters were simplified; passages written then have these.
fn words_as_written(text: &str) -> Vec<String> {
    terms(&text.nfkc().flat_map(char::to_lowercase).collect::<String>())
}

fn terms(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut terms = Vec::new();
    let mut rest = text.as_slice();
    while let Some(first) = rest.first() {
        let taken = match kind(*first) {
            Kind::Han => numbering::clause(rest, &mut terms).unwrap_or_else(|| han(rest, &mut terms)),
            Kind::Unspaced => pairs(rest, &mut terms),
            Kind::Letter => codes::take(rest, &mut terms),
            Kind::Other => numbering::document(&[], rest, &mut terms),
        };
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    terms
}

/// The terms that a question searches for, each once: without words that say nothing about what it is after, unless it
/// has no other.
///
/// A question with traditional characters asks for its terms in both forms, so that passages written by an older version,
/// which kept the characters as they were, are still found. Passages of today hold the simplified form alone.
pub(crate) fn question_words(text: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = words(text).into_iter().collect();
    all.extend(words_as_written(text));
    let telling: BTreeSet<String> = all.iter().filter(|term| !stop::is_stop(term)).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

/// Reads the dictionaries (0.3 s), so that the first question need not wait for them.
pub(crate) fn warm() {
    variants::warm();
    LazyLock::force(&JIEBA);
}

/// How a character takes part in words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Han,
    Unspaced,
    Letter,
    Other,
}

fn kind(c: char) -> Kind {
    match c {
        '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => Kind::Han,
        '\u{20000}'..='\u{3ffff}' => Kind::Han,
        // Thai to Lao, Myanmar, Khmer; kana; hangul.
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Kind::Unspaced,
        '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}' => {
            Kind::Unspaced
        }
        c if c.is_alphanumeric() => Kind::Letter,
        _ => Kind::Other,
    }
}

/// The characters at the start that are of this kind.
fn run(text: &[char], wanted: Kind) -> &[char] {
    let end = text.iter().position(|c| kind(*c) != wanted).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Takes Chinese characters up to a clause number or the end of the run, and gives how many were taken.
fn han(text: &[char], terms: &mut Vec<String>) -> usize {
    let ends = |at: &usize| match text.get(*at..) {
        Some(rest @ [first, ..]) => kind(*first) != Kind::Han || numbering::starts_clause(rest),
        _ => true,
    };
    let end = (1..text.len()).find(ends).unwrap_or(text.len());
    let (run, after) = text.split_at(end);
    let joined: String = run.iter().collect();
    terms.extend(JIEBA.cut_for_search(&joined, true).into_iter().map(|token| token.word.to_owned()));
    end + numbering::document(run, after, terms)
}

/// Takes a run of a script without spaces: each pair of characters is a term, a single one is its own.
fn pairs(text: &[char], terms: &mut Vec<String>) -> usize {
    let run = run(text, Kind::Unspaced);
    match run {
        [single] => terms.push(single.to_string()),
        _ => terms.extend(run.windows(2).map(|pair| pair.iter().collect())),
    }
    run.len()
}

#[cfg(test)]
mod tests;
