//! Everything that can go wrong inside a model.

use std::time::Duration;

/// The one error of this room. Messages are fit for a client: they name the thing and the next step, and hold
/// neither prompts nor documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The model's queue is full; `retry_after` is the time its waiting work needs at the speed measured lately.
    #[error("the model's queue is full, retry after {} s", retry_after.as_secs().max(1))]
    QueueFull {
        /// How long the work that waits now will take.
        retry_after: Duration,
    },
    /// The prompt has more tokens than the model can read.
    #[error("the input has {tokens} tokens, the model reads at most {limit}")]
    ContextTooLong {
        /// Tokens of the prompt in the model's own tokenizer.
        tokens: usize,
        /// Longest prompt the model accepts.
        limit: usize,
    },
    /// No model of this name is in the catalogue.
    #[error("model `{0}` is not in the catalogue; `kubemate models list` shows the names")]
    UnknownModel(String),
    /// Weight files are missing, damaged or of a shape the code does not know.
    #[error("{0}")]
    Weights(String),
    /// A chat template could not be rendered for this conversation.
    #[error("chat template: {0}")]
    Template(String),
    /// The tokenizer refused the text or the ids.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The request asks for something the model cannot do.
    #[error("{0}")]
    BadRequest(String),
    /// A computation failed inside the model; the request may be sent again.
    #[error("inference failed: {0}")]
    Inference(String),
    /// A download failed.
    #[error("{0}")]
    Fetch(String),
    /// The model was shut down while the request waited.
    #[error("the model was stopped")]
    Stopped,
}
