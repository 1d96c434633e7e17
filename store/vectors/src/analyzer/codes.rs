//! Words of letters and digits: English, names, codes.

use std::sync::LazyLock;

use qdrant_rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Kind, kind};

static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Longest word that gets a term; longer runs are data (base64, digests) that nobody searches for by word.
const LONGEST: usize = 64;
/// Shortest part of a code that is a term by itself.
const SHORTEST_PART: usize = 2;
/// A comma before so many digits parts thousands: `1,000`.
const THOUSANDS: usize = 3;

/// A part of a run: letters only or a number.
enum Part {
    Letters(String),
    Number(String),
    Joiner(char),
}

/// Takes letters and digits with single joiners between them, and gives how many characters were taken.
///
/// Letters give their stem. A run with digits is a code or number: it gives itself, and its parts when it has more than
/// one. In a code with letters joiners do not count: `ISO-27001`, `ISO/27001` and `ISO27001` are one term.
pub(super) fn take(text: &[char], terms: &mut Vec<String>) -> usize {
    let length = run_length(text);
    let parts = parts(text.get(..length).unwrap_or_default());
    let has = |wanted: fn(&Part) -> bool| parts.iter().any(wanted);
    let (letters, number) = (has(|part| matches!(part, Part::Letters(_))), has(|part| matches!(part, Part::Number(_))));
    if number {
        push(whole(&parts, letters), terms);
    }
    if !number || parts.len() > 1 {
        let shortest = if number { SHORTEST_PART } else { 1 };
        parts.iter().filter_map(Part::term).filter(|term| term.len() >= shortest).for_each(|term| push(term, terms));
    }
    length
}

fn push(term: String, terms: &mut Vec<String>) {
    if !term.is_empty() && !is_data(&term) {
        terms.push(term);
    }
}

fn is_data(run: &str) -> bool {
    run.chars().nth(LONGEST).is_some()
}

fn is_letter(c: char) -> bool {
    kind(c) == Kind::Letter || is_combining_mark(c)
}

fn is_joiner(c: char) -> bool {
    matches!(c, '-' | '/' | '_' | '.' | ':' | ',' | '\'' | '’')
}

fn run_length(text: &[char]) -> usize {
    let letter = |at: usize| text.get(at).is_some_and(|c| is_letter(*c));
    let joiner = |at: usize| text.get(at).is_some_and(|c| is_joiner(*c));
    (0..).take_while(|at| letter(*at) || joiner(*at) && *at > 0 && letter(at - 1) && letter(at + 1)).count()
}

fn parts(run: &[char]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = run;
    while let Some((first, after)) = rest.split_first() {
        let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        let taken = match (digits, is_joiner(*first)) {
            (0, true) => {
                parts.push(Part::Joiner(*first));
                rest = after;
                continue;
            }
            (0, false) => {
                let taken =
                    rest.iter().take_while(|c| !c.is_ascii_digit() && (!is_joiner(**c) || is_apostrophe(**c))).count();
                parts.push(Part::Letters(rest.iter().take(taken).collect()));
                taken
            }
            _ => {
                let taken = number_length(rest);
                parts.push(Part::Number(rest.iter().take(taken).filter(|c| **c != ',').collect()));
                taken
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    parts
}

/// Digits, with points between them and commas before thousands.
fn number_length(text: &[char]) -> usize {
    let digits = |from: usize| text.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let mut length = digits(0);
    loop {
        let more = digits(length + 1);
        match text.get(length) {
            Some('.') if more > 0 => length += 1 + more,
            Some(',') if more == THOUSANDS => length += 1 + more,
            _ => return length,
        }
    }
}

fn whole(parts: &[Part], letters: bool) -> String {
    let text = |part: &Part| match part {
        Part::Letters(text) | Part::Number(text) => text.clone(),
        Part::Joiner(_) if letters => String::new(),
        Part::Joiner(joiner) => joiner.to_string(),
    };
    parts.iter().map(text).collect()
}

impl Part {
    fn term(&self) -> Option<String> {
        match self {
            // The stemmer takes the square of the length.
            Self::Letters(letters) => (!is_data(letters)).then(|| stem(letters)),
            Self::Number(number) => Some(number.clone()),
            Self::Joiner(_) => None,
        }
    }
}

/// A word without accents, possessive and English ending.
fn stem(letters: &str) -> String {
    let possessive = letters.strip_suffix("'s").or_else(|| letters.strip_suffix("’s")).unwrap_or(letters);
    let plain: String = possessive.chars().filter(|c| !is_apostrophe(*c)).collect();
    // Only Latin letters lose their marks: elsewhere a mark makes another letter.
    let latin = plain.chars().all(|c| c < '\u{250}');
    let plain = if latin { plain.nfd().filter(|c| !is_combining_mark(*c)).collect() } else { plain };
    if plain.is_ascii() { ENGLISH.stem(&plain).into_owned() } else { plain }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}
