//! From text to terms.

/// The terms of a text, in order, with repetitions: what the lexical search counts and what citations compare.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// The terms under which a passage is found: those of its headings, then those of its text.
pub(crate) fn passage_words(passage: &crate::Passage) -> Vec<String> {
    let headings = passage.heading.iter().flat_map(|heading| words(heading));
    headings.chain(words(&passage.text)).collect()
}
