//! How large passages are: the settings, what a client may ask for, and what comes of both.

use serde::{Deserialize, Serialize};

use super::Sight;
use crate::CorpusError;

/// Settings of the chunker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkConfig {
    /// Tokens of a passage under `auto`. Cut down to what the embedder can see.
    pub tokens: usize,
    /// Tokens that two passages of one section share under `auto`.
    pub overlap: usize,
    /// Whether the embedder reads the headings above a passage, too.
    pub heading_prefix: bool,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self { tokens: 448, overlap: 48, heading_prefix: true }
    }
}

/// How a document asks to be cut, in OpenAI's words (`chunking_strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChunkingStrategy {
    /// Sizes of the settings.
    #[default]
    Auto,
    /// Sizes of the client.
    Static {
        /// The sizes.
        #[serde(rename = "static")]
        sizes: StaticSizes,
    },
}

/// Sizes of a client's choice, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticSizes {
    /// Longest passage, 100 to 4096. OpenAI's own default of 800 is accepted; a passage is still never longer than
    /// what the embedder can see (about 490 tokens for multilingual-e5-small, 240 for all-MiniLM-L6-v2), because
    /// words behind that end would be in no vector.
    pub max_chunk_size_tokens: usize,
    /// Tokens that two neighbours share, at most half of the longest passage (of the cut-down one, too).
    pub chunk_overlap_tokens: usize,
}

impl ChunkingStrategy {
    /// Reads the value of `chunking_strategy` as a document or a vector store keeps it; null means `auto`.
    ///
    /// # Errors
    /// [`CorpusError::Invalid`] says what is wrong with it.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, CorpusError> {
        if value.is_null() {
            return Ok(Self::Auto);
        }
        let strategy: Self =
            Self::deserialize(value).map_err(|error| CorpusError::Invalid(format!("chunking_strategy: {error}")))?;
        strategy.check()?;
        Ok(strategy)
    }

    fn check(&self) -> Result<(), CorpusError> {
        let Self::Static { sizes } = self else { return Ok(()) };
        let StaticSizes { max_chunk_size_tokens: size, chunk_overlap_tokens: overlap } = *sizes;
        if !(100..=4096).contains(&size) {
            return Err(CorpusError::Invalid(format!("max_chunk_size_tokens must be 100 to 4096, not {size}")));
        }
        if overlap > size / 2 {
            return Err(CorpusError::Invalid(format!(
                "chunk_overlap_tokens must be at most half of max_chunk_size_tokens ({}), not {overlap}",
                size / 2
            )));
        }
        Ok(())
    }
}

/// Everything that decides how a document is cut; equal values cut equal documents equally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// The settings.
    pub config: ChunkConfig,
    /// What the document asks for.
    pub strategy: ChunkingStrategy,
}

/// The sizes that hold for one embedder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Longest passage.
    pub(super) size: usize,
    /// What the embedder sees of headings and passage together.
    pub(super) sight: usize,
    /// Shared by neighbours.
    pub(super) overlap: usize,
    /// A section below this is put together with the next one.
    pub(super) crumb: usize,
    /// Most that headings may take of the sight; 0 turns them off.
    pub(super) headings: usize,
}

/// Tokens of headings in front of a passage. Three or four levels of usual titles; more would crowd the text out.
const MOST_HEADING_TOKENS: usize = 64;

impl Chunking {
    pub(super) fn limits(&self, sight: Sight) -> Sizes {
        let (size, overlap) = match self.strategy {
            ChunkingStrategy::Auto => (self.config.tokens, self.config.overlap),
            ChunkingStrategy::Static { sizes } => (sizes.max_chunk_size_tokens, sizes.chunk_overlap_tokens),
        };
        let size = size.clamp(16, sight.tokens.max(16));
        let headings = if self.config.heading_prefix { MOST_HEADING_TOKENS.min(sight.tokens / 4) } else { 0 };
        Sizes { size, sight: sight.tokens, overlap: overlap.min(size / 2), crumb: size / 16, headings }
    }
}

impl Sizes {
    /// Longest piece that packing handles: a quarter of a passage, so that pieces fill passages well even below
    /// a table header.
    pub(super) fn longest_atom(&self) -> usize {
        (self.size.min(self.sight - self.headings) / 4).max(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_wire_form_is_openais() {
        let wire = json!({"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}});
        let strategy = ChunkingStrategy::from_json(&wire).unwrap();
        assert_eq!(serde_json::to_value(strategy).unwrap(), wire);
        for auto in [json!(null), json!({"type": "auto"})] {
            assert_eq!(ChunkingStrategy::from_json(&auto).unwrap(), ChunkingStrategy::Auto);
        }
    }

    #[test]
    fn sizes_outside_the_published_bounds_are_refused() {
        for (size, overlap) in [(99, 0), (4097, 0), (100, 51)] {
            let wire =
                json!({"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}});
            assert_eq!(ChunkingStrategy::from_json(&wire).unwrap_err().code(), "invalid_request");
        }
    }

    #[test]
    fn openais_default_is_cut_down_to_what_the_embedder_sees() {
        let sizes = StaticSizes { max_chunk_size_tokens: 800, chunk_overlap_tokens: 400 };
        let chunking = Chunking { config: ChunkConfig::default(), strategy: ChunkingStrategy::Static { sizes } };
        let limits = chunking.limits(Sight { tokens: 240 });
        assert_eq!((limits.size, limits.overlap), (240, 120));
    }
}
