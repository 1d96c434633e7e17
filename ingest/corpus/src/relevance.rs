//! How sure we are that a passage answers a question, on absolute evidence.
//!
//! The fused score only orders passages: the best one has a high score even when all are far from the question. Evidence
//! comes from two measures that mean the same for every question: the cosine as the model gives it, and the share of
//! the question's words that the passage holds, numbers and names weighing more. A logistic function, fitted
//! for each embedder on questions with and without an answer, makes one probability of both; ADR 0032 has the numbers
//! and `examples/calibrate` the program.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use kubemate_vectors::Passage;

use crate::Language;
use crate::citations::Terms;

/// Settings of the relevance gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelevanceConfig {
    /// Least evidence, 0 to 1, for a passage to be given to a chat model.
    pub threshold: f32,
    /// Calibrations by embedder, for models that this room does not know or that were fitted anew.
    pub calibrations: BTreeMap<String, Calibration>,
}

impl Default for RelevanceConfig {
    fn default() -> Self {
        Self { threshold: 0.4, calibrations: BTreeMap::new() }
    }
}

/// A logistic function of cosine and word coverage, fitted for one embedder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Constant term.
    pub bias: f32,
    /// Weight of the cosine.
    pub cosine: f32,
    /// Weight of the share of the question's words that the passage holds.
    pub coverage: f32,
    /// Added for questions in Chinese, whose cosines to any text are higher or lower than those of English ones.
    #[serde(default)]
    pub chinese: f32,
}

impl RelevanceConfig {
    /// The calibration for an embedder: the configured one, the fitted one, or a careful guess.
    #[must_use]
    pub fn calibration(&self, embedder: &str) -> Calibration {
        self.calibrations.get(embedder).copied().unwrap_or_else(|| Calibration::fitted(embedder))
    }
}

impl Calibration {
    fn fitted(embedder: &str) -> Self {
        match embedder {
            "multilingual-e5-small" => Self { bias: -50.4, cosine: 60.0, coverage: 1.8, chinese: -1.8 },
            // Cosines of models trained without e5's temperature spread over 0 to 1.
            "all-MiniLM-L6-v2" => Self { bias: -5.05, cosine: 12.0, coverage: 1.6, chinese: 0.0 },
            // A guess that lets rather too much through.
            _ => Self { bias: -4.0, cosine: 7.0, coverage: 3.5, chinese: 0.0 },
        }
    }

    /// The evidence, 0 to 1, for a question in this language.
    #[must_use]
    pub fn evidence(&self, language: Language, cosine: f32, coverage: f32) -> f32 {
        let chinese = if language == Language::Chinese { self.chinese } else { 0.0 };
        let sum = self.bias + chinese + self.cosine * cosine + self.coverage * coverage;
        1.0 / (1.0 + (-sum).exp())
    }
}

/// A question, read once for comparing it with passages.
#[derive(Debug)]
pub struct Asked {
    terms: Terms,
    language: Language,
}

impl Asked {
    /// Reads a question.
    #[must_use]
    pub fn new(question: &str) -> Self {
        Self { terms: Terms::of(question), language: Language::of(question) }
    }

    /// The language it is asked in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Weighted share of the question's words that the passage or its headings hold, 0 to 1.
    #[must_use]
    pub fn coverage(&self, passage: &Passage) -> f32 {
        let total = self.terms.total();
        if total <= 0.0 {
            return 0.0;
        }
        let mut said = Terms::of(&passage.text);
        passage.heading.iter().for_each(|heading| said.extend(&Terms::of(heading)));
        self.terms.shared(&said) / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_grows_with_both_measures_and_stays_a_probability() {
        for embedder in ["multilingual-e5-small", "all-MiniLM-L6-v2", "another"] {
            for language in [Language::Chinese, Language::English] {
                let calibration = RelevanceConfig::default().calibration(embedder);
                let evidence = |cosine, coverage| calibration.evidence(language, cosine, coverage);
                let low = evidence(0.7, 0.0);
                assert!(low < evidence(0.7, 1.0) && low < evidence(0.9, 0.0));
                assert!((0.0..=1.0).contains(&low) && evidence(1.0, 1.0) > 0.9);
            }
        }
    }
}
