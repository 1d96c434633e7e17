//! What a reranker is, and the one that every embedder can be.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Embedder, EngineError, ModelIdentity, Priority};

/// Orders documents by how well they answer a query.
#[async_trait]
pub trait Reranker: fmt::Debug + Send + Sync + 'static {
    /// Which model answers.
    fn identity(&self) -> &ModelIdentity;

    /// One score per document in the order given; higher is better, about 0 to 1. Scores of one call compare with
    /// each other, not with another model's.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    async fn rerank(&self, query: &str, documents: &[String], priority: Priority) -> Result<Vec<f32>, EngineError>;
}

/// A reranker made of an embedder: shares its weights, threads and queue.
#[derive(Debug, Clone)]
pub struct EmbedderReranker {
    embedder: Arc<dyn Embedder>,
}

impl EmbedderReranker {
    /// Reranks with `embedder`'s own [`Embedder::relevance`].
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder }
    }
}

#[async_trait]
impl Reranker for EmbedderReranker {
    fn identity(&self) -> &ModelIdentity {
        self.embedder.identity()
    }

    async fn rerank(&self, query: &str, documents: &[String], priority: Priority) -> Result<Vec<f32>, EngineError> {
        self.embedder.relevance(query, documents, priority).await
    }
}
