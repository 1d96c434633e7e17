//! The models that run inside Kubemate: what a chat model, an embedder and a reranker are, and their local
//! versions on the processor of this machine.
//!
//! A room of floor 1. It knows nothing of HTTP: weights are downloaded through the [`Fetch`] its caller hands in,
//! and a full queue is an [`EngineError::QueueFull`], not a status code. Each local model runs on its own threads
//! behind a bounded queue, so a future of this room never computes on an async thread.

mod config;
mod embed;
mod encoder;
mod error;
mod generate;
mod kernels;
mod late;
mod local;
mod rerank;
mod scheduler;
mod tokens;

pub mod chat;
pub mod fake;
pub mod weights;

pub use config::LocalConfig;
pub use embed::{EmbedInput, EmbedRequest, Embedded, Embedder, ModelIdentity, Priority, Purpose};
pub use error::EngineError;
pub use generate::{
    ChatModel, FinishReason, GenerateEvent, GenerateRequest, Generation, Prompt, Role, Sampling, TokenLogprob, Turn,
};
pub use late::TokenStates;
pub use rerank::{EmbedderReranker, Reranker};
pub use tokens::TokenCounter;
pub use weights::{
    Advice, CatalogueEntry, Fetch, FetchError, Fetched, ModelKind, Progress, VerifyReport, WeightFile, catalogue,
    open_chat, open_embedder, open_reranker, pull, verify,
};
