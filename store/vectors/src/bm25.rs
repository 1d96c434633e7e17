//! BM25 as sparse vectors: term weights are computed here, the engine multiplies by the inverse document frequency of
//! the space. Ids of terms are those that a Qdrant server makes, so vectors can move between engines.

use std::collections::{BTreeMap, BTreeSet};

use crate::Passage;
use crate::analyzer::{question_words, words};

/// Saturation of repeated terms, as in most BM25 engines and Qdrant's own.
const K1: f32 = 1.2;
/// How much the length of a passage counts.
const B: f32 = 0.75;
/// The length of an average passage in terms. A constant, because weights are computed when a passage is written and the
/// true average moves afterwards; docs/adr/0040-bm25-own-weights.md has the measurement.
const AVERAGE_TERMS: f32 = 256.0;

/// Terms of a text: ids ascending, one weight each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Terms {
    pub(crate) ids: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

/// The terms of a passage, weighted by how often they stand in it and how long it is.
pub(crate) fn document(passage: &Passage) -> Terms {
    let mut counts = BTreeMap::<u32, f32>::new();
    let mut length = 0.0;
    for word in passage_words(passage) {
        *counts.entry(id(&word)).or_default() += 1.0;
        length += 1.0;
    }
    let norm = K1 * (1.0 - B + B * length / AVERAGE_TERMS);
    let (ids, weights) = counts.into_iter().map(|(id, times)| (id, times * (K1 + 1.0) / (times + norm))).unzip();
    Terms { ids, weights }
}

/// The terms of a question, each once.
pub(crate) fn question(text: &str) -> Terms {
    let ids: BTreeSet<u32> = question_words(text).iter().map(|word| id(word)).collect();
    Terms { weights: vec![1.0; ids.len()], ids: ids.into_iter().collect() }
}

/// The ids of a passage's terms, in order, with repetitions: for servers that weigh them.
pub(crate) fn term_ids(passage: &Passage) -> impl Iterator<Item = u32> {
    passage_words(passage).into_iter().map(|word| id(&word))
}

/// The terms under which a passage is found: those of its headings, then those of its text.
pub(crate) fn passage_words(passage: &Passage) -> Vec<String> {
    let headings = passage.heading.iter().flat_map(|heading| words(heading));
    headings.chain(words(&passage.text)).collect()
}

/// The id of a term: 32-bit MurmurHash3, made positive as a Qdrant server does.
fn id(word: &str) -> u32 {
    murmur3_32::Murmur3::hash(0, word.as_bytes()).cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use qdrant_edge::SparseVector;
    use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};

    use super::*;

    /// The engine's own BM25, told to leave words as they are.
    fn engine() -> EdgeBm25 {
        let config = serde_json::json!({
            "tokenizer": "whitespace", "language": "chinese", "stopwords": {"custom": []}, "avg_len": AVERAGE_TERMS,
        });
        EdgeBm25::new(serde_json::from_value::<EdgeBm25Config>(config).unwrap()).unwrap()
    }

    #[test]
    fn ids_and_weights_are_those_of_the_engine() {
        let text = "第十二条 存款保险 ISO-27001 the packages, packages and package é 银发〔2024〕12号".to_owned();
        let passage = Passage { text, heading: vec!["存款".to_owned()], ..Passage::default() };
        let ours = document(&passage);
        let theirs: SparseVector = engine().embed_document(&passage_words(&passage).join(" "));
        assert_eq!(ours.ids, theirs.indices);
        for (our, their) in ours.weights.iter().zip(&theirs.values) {
            assert!((our - their).abs() < 1e-5, "{our} {their}");
        }
    }

    #[test]
    fn a_question_of_empty_words_keeps_them() {
        assert_eq!(question("what is it").ids.len(), 3);
        assert_eq!(question("what is a package").ids, [id("packag")]);
        assert_eq!(question("如何开户").ids, question("开户").ids);
        assert_eq!(question("。").ids, Vec::<u32>::new());
    }
}
