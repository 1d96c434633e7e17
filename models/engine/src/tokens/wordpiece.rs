//! The tokenizer of BERT models, read from `tokenizer.json`.

use std::{fmt, ops::Range, path::Path};

use tokenizers::Tokenizer;

use super::TokenCounter;
use crate::EngineError;

/// A tokenizer that the model's own `tokenizer.json` describes.
pub(crate) struct WordPiece {
    tokenizer: Tokenizer,
}

impl fmt::Debug for WordPiece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WordPiece").finish_non_exhaustive()
    }
}

impl WordPiece {
    /// Reads the file. Its truncation and padding are switched off: lengths are the engine's business.
    pub(crate) fn from_file(path: &Path) -> Result<Self, EngineError> {
        let broken = |error| EngineError::Weights(format!("{} is not a tokenizer: {error}", path.display()));
        let mut tokenizer = Tokenizer::from_file(path).map_err(broken)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(broken)?;
        // A document that spells out "[SEP]" means these five letters.
        tokenizer.set_encode_special_tokens(true);
        Ok(Self { tokenizer })
    }

    /// The id of a token by its name.
    pub(crate) fn id(&self, token: &str) -> Result<u32, EngineError> {
        let missing = || EngineError::Weights(format!("the tokenizer has no token `{token}`"));
        self.tokenizer.token_to_id(token).ok_or_else(missing)
    }
}

impl TokenCounter for WordPiece {
    fn count(&self, text: &str) -> usize {
        self.encode(text).len()
    }

    fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let encoding = self.tokenizer.encode(text, false);
        let ranges =
            |encoding: tokenizers::Encoding| encoding.get_offsets().iter().map(|(start, end)| *start..*end).collect();
        // WordPiece has no text that it refuses: what it does not know is [UNK].
        encoding.map(ranges).unwrap_or_default()
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        if let Some(id) = tokens.iter().find(|id| self.tokenizer.id_to_token(**id).is_none()) {
            return Err(EngineError::Tokenizer(format!("id {id} is not in the vocabulary")));
        }
        self.tokenizer.decode(tokens, true).map_err(|error| EngineError::Tokenizer(error.to_string()))
    }
}
