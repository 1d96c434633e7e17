//! Counting and cutting text in a model's own tokens.

mod normalizer;
mod trie;
mod unigram;
mod wordpiece;

use std::{fmt, ops::Range};

pub(crate) use unigram::{Unigram, UnigramParts};
pub(crate) use wordpiece::WordPiece;

use crate::EngineError;

/// A model's tokenizer, for whoever has to fit text into it: the chunker, the meter, the prompt packer.
///
/// All calls are pure computation on the calling thread and cost about a microsecond per token; long documents
/// belong on a blocking thread.
pub trait TokenCounter: fmt::Debug + Send + Sync + 'static {
    /// Tokens of `text`, without the special tokens that the model puts around it.
    fn count(&self, text: &str) -> usize;

    /// Byte ranges of the tokens in `text`, ascending, on character borders, without special tokens.
    ///
    /// Several tokens may share one range when a character is made of more than one token; white space between
    /// tokens may belong to none.
    fn offsets(&self, text: &str) -> Vec<Range<usize>>;

    /// Token ids of `text`, without special tokens.
    fn encode(&self, text: &str) -> Vec<u32>;

    /// The text of `tokens`, special tokens left out.
    ///
    /// # Errors
    /// `Tokenizer` when an id is not in the vocabulary.
    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError>;
}
