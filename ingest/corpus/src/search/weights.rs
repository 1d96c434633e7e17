//! How much words count beside meaning, by what the embedder knows of the question's language.

use serde::{Deserialize, Serialize};

use super::SearchConfig;
use crate::Language;

/// Weights of the words (BM25) in the order, 0 to 1, for one embedder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LexicalWeights {
    /// For questions in Chinese.
    pub chinese: f32,
    /// For all others.
    pub english: f32,
}

impl LexicalWeights {
    /// Learned on the half of the questions that is not reported (`cargo xtask quality`, ADR 0075).
    fn learned(embedder: &str) -> Self {
        match embedder {
            // It knows no Chinese: its order adds nothing to that of the words.
            "all-MiniLM-L6-v2" => Self { chinese: 1.0, english: 0.3 },
            _ => Self { chinese: 0.3, english: 0.3 },
        }
    }
}

impl SearchConfig {
    /// The weight that holds: the request's, the setting for all, the setting for this embedder, or the learned one.
    pub(super) fn weight(&self, asked: Option<f32>, embedder: &str, language: Language) -> f32 {
        let by_embedder = || {
            let set = self.lexical_weights.get(embedder).copied();
            let weights = set.unwrap_or_else(|| LexicalWeights::learned(embedder));
            if language == Language::Chinese { weights.chinese } else { weights.english }
        };
        asked.or(self.lexical_weight).unwrap_or_else(by_embedder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_holds() {
        let mut config = SearchConfig::default();
        let weight = |config: &SearchConfig, asked, language| config.weight(asked, "all-MiniLM-L6-v2", language);
        assert!(weight(&config, None, Language::Chinese) > 0.9);
        assert!(weight(&config, None, Language::English) < 0.5);
        config.lexical_weights.insert("all-MiniLM-L6-v2".to_owned(), LexicalWeights { chinese: 1.0, english: 0.1 });
        assert_eq!(weight(&config, None, Language::Chinese), 1.0);
        config.lexical_weight = Some(0.2);
        assert_eq!(weight(&config, None, Language::Chinese), 0.2);
        assert_eq!(weight(&config, Some(0.7), Language::English), 0.7);
    }
}
