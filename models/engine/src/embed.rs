//! What an embedder is: texts in, vectors of length one out.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{EngineError, TokenCounter, TokenStates, late};

/// Who waits for the answer. Interactive work goes ahead of bulk work in every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// A person waits: a query, a rerank, an API call.
    Interactive,
    /// Nobody waits for this item: ingest, batches.
    Bulk,
}

/// What a text is for. Models trained with prefixes put theirs before the text; others ignore this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A question to search with (`query: `).
    Query,
    /// A passage to be found (`passage: `).
    Passage,
    /// The text as it is, no prefix.
    Plain,
}

/// Which model this is, exactly. Stored beside vectors: vectors of different identities are never compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelIdentity {
    /// Name in the catalogue.
    pub name: String,
    /// SHA-256 of the weight file, hexadecimal.
    pub revision: String,
    /// Length of its vectors; 0 for a chat model.
    pub dimensions: usize,
    /// Longest input in tokens, special tokens included.
    pub context: usize,
}

/// One input of an embedding request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedInput {
    /// A text, tokenized by the model.
    Text(String),
    /// Ids of the model's own vocabulary, without special tokens (OpenAI's token-id input). A prefix is put before
    /// them just as before a text.
    Tokens(Vec<u32>),
}

impl From<&str> for EmbedInput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for EmbedInput {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Texts to embed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The inputs; the answer holds one vector for each, in the same order.
    pub texts: Vec<EmbedInput>,
    /// Decides the prefix.
    pub purpose: Purpose,
    /// Decides the place in the queue.
    pub priority: Priority,
}

/// The answer to an [`EmbedRequest`].
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// One vector per input, L2 norm 1, `dimensions` long.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens the model read, special tokens and prefixes included.
    pub tokens: usize,
    /// How many inputs were cut at the model's context.
    pub truncated: usize,
}

/// Turns texts into vectors whose cosine says how near their meanings are.
///
/// Every adapter guarantees: vectors of norm 1 in the order of the inputs; the same input gives the same vector
/// (within 1e-4 per component) whatever it was batched with; an input over the context is cut, never refused, and
/// counted in `truncated`; an empty text has a vector too; dropping the future drops the work that has not begun.
#[async_trait]
pub trait Embedder: fmt::Debug + Send + Sync + 'static {
    /// Which model answers.
    fn identity(&self) -> &ModelIdentity;

    /// The model's own tokenizer.
    fn tokenizer(&self) -> Arc<dyn TokenCounter>;

    /// Embeds all texts of the request.
    ///
    /// # Errors
    /// `QueueFull` at once when the model has too much waiting work; `Tokenizer` for a token id outside the
    /// vocabulary; `Stopped` while the model shuts down.
    async fn embed(&self, request: EmbedRequest) -> Result<Embedded, EngineError>;

    /// The vectors of the texts' own tokens, for models that can show them; in the order of the texts.
    ///
    /// # Errors
    /// As [`Embedder::embed`]; `BadRequest` when the model shows none.
    async fn states(&self, request: EmbedRequest) -> Result<Vec<TokenStates>, EngineError> {
        drop(request);
        Err(EngineError::BadRequest(format!("model `{}` does not show the states of its tokens", self.identity().name)))
    }

    /// How well each document answers the query, 0 to 1, in the order of the documents.
    ///
    /// This is what [`EmbedderReranker`](crate::EmbedderReranker) calls: late interaction where the model shows the states
    /// of its tokens, else the cosine of the vectors.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    async fn relevance(&self, query: &str, documents: &[String], priority: Priority) -> Result<Vec<f32>, EngineError> {
        let query = EmbedRequest { texts: vec![query.into()], purpose: Purpose::Query, priority };
        let texts = documents.iter().map(|text| text.as_str().into()).collect();
        let passages = EmbedRequest { texts, purpose: Purpose::Passage, priority };
        match self.states(query.clone()).await {
            Ok(query) => {
                let passages = self.states(passages).await?;
                let Some(query) = query.first() else { return Ok(Vec::new()) };
                Ok(passages.iter().map(|passage| late::score(query, passage)).collect())
            }
            Err(EngineError::BadRequest(_)) => {
                let query = self.embed(query).await?;
                let passages = self.embed(passages).await?;
                let Some(query) = query.vectors.first() else { return Ok(Vec::new()) };
                let dot = |vector: &Vec<f32>| vector.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
                Ok(passages.vectors.iter().map(|vector| dot(vector).clamp(0.0, 1.0)).collect())
            }
            Err(other) => Err(other),
        }
    }
}
