//! Words for Milvus.
//!
//! Its BM25 function splits a text and counts. We give it the ids of our own terms instead of the words, so that Chinese,
//! clause numbers and codes are found as on every other adapter, whatever analyzer the server has. The document
//! frequencies are then those of the shelf. Without the function we weigh the terms ourselves and ask the server how many
//! passages of the space hold each.

use std::collections::BTreeMap;

use super::expression::Word;
use super::{Milvus, schema};
use crate::bm25::{self, Terms};
use crate::served::Place;
use crate::{Passage, VectorsError};

/// Most terms of a question that are weighed, the rest adds nothing to so long a one.
const MOST_TERMS: usize = 64;
/// A dimension that no term has, for passages without words: a sparse vector must not be empty. Terms are below 2^31.
const WORDLESS: u32 = u32::MAX - 2;

/// One term as the server's analyzer leaves it.
fn term(id: u32) -> String {
    format!("{id:x}")
}

/// The terms of a passage, each as often as it stands there; what is beyond the longest text is left out.
pub(super) fn document(passage: &Passage) -> String {
    let mut text = String::new();
    for id in bm25::term_ids(passage) {
        let word = term(id);
        if text.len() + word.len() + 1 > schema::LONGEST {
            break;
        }
        text.push_str(&word);
        text.push(' ');
    }
    text
}

/// The terms of a question.
pub(super) fn question(text: &str) -> String {
    bm25::question(text).ids.into_iter().map(term).collect::<Vec<_>>().join(" ")
}

/// The terms of a passage, each once.
pub(super) fn distinct(passage: &Passage) -> Vec<String> {
    bm25::document(passage).ids.into_iter().map(term).collect()
}

/// Our own weights of a passage's terms.
pub(super) fn weights(passage: &Passage) -> BTreeMap<u32, f32> {
    let Terms { ids, weights } = bm25::document(passage);
    if ids.is_empty() { BTreeMap::from([(WORDLESS, 1.0)]) } else { ids.into_iter().zip(weights).collect() }
}

impl Milvus {
    /// A question's terms, weighed by how rare they are in the space.
    pub(super) async fn weighed(&self, place: Place<'_>, text: &str) -> Result<BTreeMap<u32, f32>, VectorsError> {
        let all = self.how_many(place, None).await?;
        let mut weighed = BTreeMap::new();
        for id in bm25::question(text).ids.into_iter().take(MOST_TERMS) {
            let holding = self.how_many(place, Some(term(id))).await?;
            if holding > 0.0 {
                weighed.insert(id, ((all - holding + 0.5) / (holding + 0.5)).ln_1p());
            }
        }
        if weighed.is_empty() {
            weighed.insert(WORDLESS - 1, 1.0);
        }
        Ok(weighed)
    }

    async fn how_many(&self, place: Place<'_>, term: Option<String>) -> Result<f32, VectorsError> {
        let mut expression = self.of(place).await?;
        if let Some(term) = term {
            expression.and_holds(schema::TERMS, Word::of_id(&term));
        }
        let found = self.query(&place.entry.shelf, expression, &["count(*)"], None).await?;
        Ok(found.get_row_count() as f32)
    }
}
