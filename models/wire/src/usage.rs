//! Token counts.

use serde::{Deserialize, Serialize};

/// Tokens of one chat or text completion, in the model's own tokenizer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, template and retrieved passages included.
    pub prompt_tokens: u64,
    /// Tokens of all choices together.
    #[serde(default)]
    pub completion_tokens: u64,
    /// The sum of both.
    pub total_tokens: u64,
    /// Parts of `prompt_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// Parts of `completion_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

impl Usage {
    /// Counts of a prompt and its completions, without details.
    #[must_use]
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens, ..Self::default() }
    }
}

/// Parts of the prompt's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Tokens that the engine did not have to compute again.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens of audio input.
    #[serde(default)]
    pub audio_tokens: u64,
}

/// Parts of the completion's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionTokensDetails {
    /// Tokens of hidden reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// Tokens of audio output.
    #[serde(default)]
    pub audio_tokens: u64,
    /// Predicted tokens that were used.
    #[serde(default)]
    pub accepted_prediction_tokens: u64,
    /// Predicted tokens that were thrown away.
    #[serde(default)]
    pub rejected_prediction_tokens: u64,
}

/// Tokens of an embeddings or rerank request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputUsage {
    /// Tokens of all inputs together.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// The same number: nothing is generated.
    pub total_tokens: u64,
}

impl InputUsage {
    /// Counts of a request that generates nothing.
    #[must_use]
    pub fn new(tokens: u64) -> Self {
        Self { prompt_tokens: tokens, total_tokens: tokens }
    }
}
