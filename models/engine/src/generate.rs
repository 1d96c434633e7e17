//! What a chat model is: a prompt in, a stream of text out.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{EngineError, ModelIdentity, TokenCounter};

/// Who said a turn of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation. Serializes to what chat templates read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// How the next token is drawn. The default is OpenAI's: temperature 1, everything else off.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token; higher is wilder.
    pub temperature: f32,
    /// Only the likeliest tokens that together hold this probability; 1 is all.
    pub top_p: f32,
    /// Only so many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// The same seed and request give the same text.
    pub seed: Option<u64>,
    /// Subtracted from a token's logit once per earlier occurrence in the answer (OpenAI's meaning).
    pub frequency_penalty: f32,
    /// Subtracted once from the logit of each token that the answer holds already (OpenAI's meaning).
    pub presence_penalty: f32,
    /// Divides positive and multiplies negative logits of tokens seen in prompt or answer; 1 is off.
    pub repetition_penalty: f32,
    /// Added to the logits of these token ids.
    pub logit_bias: BTreeMap<u32, f32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            seed: None,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: BTreeMap::new(),
        }
    }
}

/// What the model continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, rendered with the model's chat template.
    Chat(Vec<Turn>),
    /// A text, continued as it is.
    Text(String),
    /// Token ids, continued as they are.
    Tokens(Vec<u32>),
}

/// One generation, possibly of several choices.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// What to continue.
    pub prompt: Prompt,
    /// Most tokens of each choice; unset means what the context leaves.
    pub max_tokens: Option<usize>,
    /// The text ends before the first of these.
    pub stop: Vec<String>,
    /// How many choices, at least 1.
    pub n: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// `Some(k)`: report log probabilities of each token and of its `k` best alternatives.
    pub logprobs: Option<usize>,
}

impl GenerateRequest {
    /// One choice with default sampling and no limits.
    pub fn new(prompt: Prompt) -> Self {
        let sampling = Sampling::default();
        Self { prompt, max_tokens: None, stop: Vec::new(), n: 1, sampling, logprobs: None }
    }
}

/// Why a choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn, or a stop string came.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
}

/// The log probability of one token of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token's text; broken UTF-8 is replaced.
    pub token: String,
    /// The token's bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens at this place with their bytes and log probabilities, best first.
    pub top: Vec<(String, Vec<u8>, f32)>,
}

/// What a generation reports, in this order: one `Started`, then `Delta`s, and one `Finished` per choice.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerateEvent {
    /// The prompt was accepted and its computation begins.
    Started {
        /// Tokens of the prompt, template included.
        prompt_tokens: usize,
    },
    /// More text of a choice. Never ends inside a character.
    Delta {
        /// Which choice, from 0.
        choice: usize,
        /// The text to append.
        text: String,
        /// One entry per token of `text` when log probabilities were asked for.
        logprobs: Vec<TokenLogprob>,
        /// Tokens drawn for this choice so far, those whose text is still held back included.
        completion_tokens: usize,
    },
    /// A choice is complete.
    Finished {
        /// Which choice, from 0.
        choice: usize,
        /// Why it ended.
        reason: FinishReason,
        /// Tokens drawn for this choice.
        completion_tokens: usize,
    },
}

/// A running generation. Dropping it cancels the work before the next token. An error is its last item.
pub type Generation = BoxStream<'static, Result<GenerateEvent, EngineError>>;

/// A model that continues text.
#[async_trait]
pub trait ChatModel: fmt::Debug + Send + Sync + 'static {
    /// Which model answers.
    fn identity(&self) -> &ModelIdentity;

    /// The model's own tokenizer.
    fn tokenizer(&self) -> Arc<dyn TokenCounter>;

    /// Tokens of the prompt as the model would read it, template and special tokens included.
    ///
    /// # Errors
    /// `Template` when the conversation does not fit the chat template.
    fn count_prompt(&self, prompt: &Prompt) -> Result<usize, EngineError>;

    /// Starts a generation. Returns once the request has its place in the queue.
    ///
    /// # Errors
    /// `QueueFull` at once when too many wait; `ContextTooLong` when the prompt leaves no room for an answer;
    /// `BadRequest` for impossible settings; `Template` as [`ChatModel::count_prompt`].
    async fn generate(&self, request: GenerateRequest) -> Result<Generation, EngineError>;

    /// Like [`ChatModel::generate`]; a model that keeps what it computed of recent prompts may use it for requests
    /// with the same `salt`, so that a system prompt or the history of a chat is not read twice. A salt names
    /// whoever may learn, from how soon an answer comes, that such a beginning was used before: a tenant.
    ///
    /// # Errors
    /// As [`ChatModel::generate`].
    async fn generate_sharing(&self, request: GenerateRequest, salt: &str) -> Result<Generation, EngineError> {
        let _ = salt;
        self.generate(request).await
    }
}
