//! The tokenizer that a model file carries.

use std::{collections::BTreeSet, fmt, ops::Range};

use tokenizers::{
    PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
    models::bpe::{BPE, Vocab},
    normalizers::unicode::NFC,
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::gguf::Gguf;
use crate::{EngineError, TokenCounter};

/// Token types of the file format: a control token is never produced from a user's text, a user-defined one is
/// recognised whole wherever it stands.
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;

/// How Qwen2 cuts a text into words, from the `tokenizer.json` it was published with.
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Llama 3 does, likewise.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A byte-level BPE vocabulary with its special tokens.
pub(crate) struct Vocabulary {
    /// Cuts text that holds no special token.
    plain: Tokenizer,
    /// The bytes of each token.
    pieces: Vec<Box<[u8]>>,
    /// The texts and ids of the tokens that are recognised whole, longest first.
    specials: Vec<Special>,
    /// The characters that these begin with.
    beginnings: BTreeSet<char>,
    first: Option<u32>,
    ends: Vec<u32>,
    longest: usize,
}

/// A token that is recognised whole.
#[derive(Debug, Clone)]
pub(crate) struct Special {
    /// Its text.
    pub(crate) text: String,
    /// Its id.
    pub(crate) id: u32,
    /// Whether only a template may write it.
    pub(crate) control: bool,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vocabulary").field("tokens", &self.pieces.len()).finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// Reads the tokenizer of a file; refuses by name a kind it does not know.
    pub(crate) fn read(file: &Gguf) -> Result<Self, EngineError> {
        let model = file.text("tokenizer.ggml.model").unwrap_or("(none)");
        if model != "gpt2" {
            return Err(EngineError::Weights(format!(
                "tokenizer `{model}` is not supported; gpt2 (byte-level BPE) is"
            )));
        }
        let tokens = file.texts("tokenizer.ggml.tokens")?;
        let types = file.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let specials = specials(&tokens, &types);
        let beginnings = specials.iter().filter_map(|special| special.text.chars().next()).collect();
        let pieces: Vec<_> = tokens
            .iter()
            .zip(types.iter().copied().chain(std::iter::repeat(1)))
            .map(|(token, kind)| bytes(token, kind))
            .collect();
        let plain = tokenizer(file, &tokens)?;
        let id = |key: &str| {
            file.count(key).and_then(|id| u32::try_from(id).ok()).filter(|id| (*id as usize) < tokens.len())
        };
        let first =
            id("tokenizer.ggml.bos_token_id").filter(|_| file.flag("tokenizer.ggml.add_bos_token") == Some(true));
        let ends = ends(&specials, [id("tokenizer.ggml.eos_token_id"), id("tokenizer.ggml.eot_token_id")]);
        let longest = pieces.iter().map(|piece| piece.len()).max().unwrap_or(1).max(1);
        Ok(Self { plain, pieces, specials, beginnings, first, ends, longest })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Bytes of the longest token: a text of n bytes has at least n divided by this many tokens.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The bytes that a token stands for; those of a special token are its name.
    pub(crate) fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], |piece| piece)
    }

    /// The text of a token by its id, as templates name it.
    pub(crate) fn name(&self, token: u32) -> String {
        String::from_utf8_lossy(self.piece(token)).into_owned()
    }

    /// Whether a token ends the model's turn.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Whether a token is written by templates only, and is no text of an answer.
    pub(crate) fn is_control(&self, token: u32) -> bool {
        self.specials.iter().any(|special| special.id == token && special.control)
    }

    /// The token that every text begins with, if the model wants one.
    pub(crate) fn first(&self) -> Option<u32> {
        self.first
    }

    /// Tokens that are recognised whole, longest first.
    pub(crate) fn specials(&self) -> &[Special] {
        &self.specials
    }

    /// Tokens of a text in which nothing is special.
    pub(crate) fn plain(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self.plain.encode_fast(text, false);
        encoding.map(|encoding| encoding.get_ids().to_vec()).map_err(|error| EngineError::Tokenizer(error.to_string()))
    }

    /// The first special token of a text that `wanted` allows, with its place; the longest of those that begin there.
    pub(crate) fn next_special<'a>(
        &'a self,
        text: &str,
        wanted: impl Fn(&Special) -> bool,
    ) -> Option<(Range<usize>, &'a Special)> {
        text.char_indices().filter(|(_, character)| self.beginnings.contains(character)).find_map(|(start, _)| {
            let rest = text.get(start..)?;
            let special = self.specials.iter().find(|special| wanted(special) && rest.starts_with(&special.text))?;
            Some((start..start + special.text.len(), special))
        })
    }
}

impl TokenCounter for Vocabulary {
    fn count(&self, text: &str) -> usize {
        self.encode(text).len()
    }

    fn offsets(&self, text: &str) -> Vec<Range<usize>> {
        let encoding = self.plain.encode(text, false);
        encoding
            .map(|encoding| encoding.get_offsets().iter().map(|(start, end)| *start..*end).collect())
            .unwrap_or_default()
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        self.plain(text).unwrap_or_default()
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        let unknown = |token: &u32| EngineError::Tokenizer(format!("token id {token} is not in the vocabulary"));
        let mut bytes = Vec::new();
        for token in tokens {
            let piece = self.pieces.get(*token as usize).ok_or_else(|| unknown(token))?;
            if !self.is_control(*token) {
                bytes.extend_from_slice(piece);
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn tokenizer(file: &Gguf, tokens: &[String]) -> Result<Tokenizer, EngineError> {
    let failed = |error: tokenizers::Error| EngineError::Weights(format!("the tokenizer of the file: {error}"));
    let merges = file.texts("tokenizer.ggml.merges")?;
    let merges = merges
        .iter()
        .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| EngineError::Weights("a merge of the tokenizer has no two parts".into()))?;
    let ids: Vocab = tokens.iter().cloned().zip(0..).collect();
    let pre = file.text("tokenizer.ggml.pre").unwrap_or("(none)");
    let whole_words = file.flag("tokenizer.ggml.ignore_merges").unwrap_or(pre == "llama-bpe");
    let model = BPE::builder().vocab_and_merges(ids, merges).ignore_merges(whole_words).build();
    let mut tokenizer = Tokenizer::new(model.map_err(failed)?);
    tokenizer.with_pre_tokenizer(Some(words(pre)?));
    if pre == "qwen2" {
        tokenizer.with_normalizer(Some(NFC)).map_err(failed)?;
    }
    Ok(tokenizer)
}

/// How a text is cut into words before merges apply, by the name that the file gives.
fn words(pre: &str) -> Result<PreTokenizerWrapper, EngineError> {
    let by = |pattern: &str| {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        split.map_err(|error| EngineError::Weights(format!("the tokenizer of the file: {error}")))
    };
    let bytes_only = ByteLevel::new(false, true, false);
    let steps: Vec<PreTokenizerWrapper> = match pre {
        "gpt-2" => vec![ByteLevel::new(false, true, true).into()],
        "smollm" => vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()],
        "qwen2" => vec![by(QWEN2)?.into(), bytes_only.into()],
        "llama-bpe" => vec![by(LLAMA3)?.into(), bytes_only.into()],
        other => {
            let known = "gpt-2, smollm, qwen2 and llama-bpe are";
            return Err(EngineError::Weights(format!("pre-tokenizer `{other}` is not supported; {known}")));
        }
    };
    Ok(Sequence::new(steps).into())
}

fn specials(tokens: &[String], types: &[usize]) -> Vec<Special> {
    let found = tokens
        .iter()
        .zip(types)
        .zip(0..)
        .filter(|((text, kind), _)| !text.is_empty() && (**kind == CONTROL || **kind == USER_DEFINED));
    let mut specials: Vec<_> =
        found.map(|((text, kind), id)| Special { text: text.clone(), id, control: *kind == CONTROL }).collect();
    specials.sort_by_key(|special| std::cmp::Reverse(special.text.len()));
    specials
}

/// The ids that end a turn: those that the file names, and the usual names, since files often give only one.
fn ends(specials: &[Special], named: [Option<u32>; 2]) -> Vec<u32> {
    const NAMES: [&str; 5] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"];
    let usual = specials.iter().filter(|special| NAMES.contains(&special.text.as_str())).map(|special| special.id);
    let mut ends: Vec<u32> = named.into_iter().flatten().chain(usual).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// The bytes of a token. Byte-level vocabularies write each byte as one printable character.
fn bytes(token: &str, kind: usize) -> Box<[u8]> {
    if kind == CONTROL || kind == USER_DEFINED {
        return token.as_bytes().into();
    }
    token
        .chars()
        .flat_map(|character| match byte(character) {
            Some(byte) => vec![byte],
            None => character.to_string().into_bytes(),
        })
        .collect()
}

/// The byte that a character of a byte-level vocabulary stands for: printable Latin-1 stands for itself, the 68
/// other bytes follow, in order, from U+0100 on (the table of GPT-2).
fn byte(character: char) -> Option<u8> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => printable(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(usize::try_from(code.checked_sub(256)?).ok()?),
    }
}
