//! An embedder that hashes words.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::words::{FakeTokens, hash, ranges};
use crate::{EmbedInput, EmbedRequest, Embedded, Embedder, EngineError, ModelIdentity, TokenCounter};

/// A bag of hashed words: texts that share words are near, others are nearly orthogonal. Prefixes are ignored.
#[derive(Debug)]
pub struct FakeEmbedder {
    identity: ModelIdentity,
    tokens: Arc<FakeTokens>,
    failure: Mutex<Option<EngineError>>,
    embedded: AtomicUsize,
}

impl FakeEmbedder {
    /// Named `fake-embedder`, with vectors of this length and a context of 512 words.
    pub fn new(dimensions: usize) -> Self {
        Self::named("fake-embedder", dimensions)
    }

    /// With a name of its own, for tests with more than one model.
    pub fn named(name: &str, dimensions: usize) -> Self {
        let revision = format!("{:08x}", hash(name));
        let identity = ModelIdentity { name: name.to_owned(), revision, dimensions, context: 512 };
        let (tokens, failure, embedded) = <_>::default();
        Self { identity, tokens, failure, embedded }
    }

    /// Every call from now on fails with this error; `None` mends it.
    pub fn fail_with(&self, error: Option<EngineError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// How many texts were embedded so far: shows that unchanged documents embed nothing.
    pub fn embedded(&self) -> usize {
        self.embedded.load(Ordering::SeqCst)
    }

    fn vector(&self, words: &[&str]) -> Vec<f32> {
        let mut vector = vec![0.0_f32; self.identity.dimensions];
        for word in words {
            // Two cells per word, one of them signed, keep accidental nearness low.
            for (salt, sign) in [("a", 1.0), ("b", -1.0)] {
                let cell = hash(&format!("{word}{salt}")) as usize % self.identity.dimensions.max(1);
                if let Some(value) = vector.get_mut(cell) {
                    *value += sign;
                }
            }
        }
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        match vector.first_mut() {
            Some(first) if norm == 0.0 => *first = 1.0,
            _ => vector.iter_mut().for_each(|value| *value /= norm),
        }
        vector
    }
}

#[async_trait]
impl Embedder for FakeEmbedder {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn tokenizer(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.tokens) as _
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embedded, EngineError> {
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(error);
        }
        let mut answer = Embedded { vectors: Vec::new(), tokens: 0, truncated: 0 };
        for input in request.texts {
            let text = match input {
                EmbedInput::Text(text) => text,
                EmbedInput::Tokens(ids) => self.tokens.decode(&ids)?,
            };
            let mut words: Vec<&str> = ranges(&text).into_iter().filter_map(|range| text.get(range)).collect();
            answer.truncated += usize::from(words.len() > self.identity.context);
            words.truncate(self.identity.context);
            answer.tokens += words.len();
            answer.vectors.push(self.vector(&words));
        }
        self.embedded.fetch_add(answer.vectors.len(), Ordering::SeqCst);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Priority, Purpose};

    #[tokio::test]
    async fn texts_with_shared_words_are_nearer() {
        let embedder = FakeEmbedder::new(64);
        let documents = ["the price is 5".to_owned(), "rain tomorrow".to_owned()];
        let scores = embedder.relevance("what is the price", &documents, Priority::Interactive).await.unwrap();
        assert!(scores[0] > scores[1] + 0.2, "{scores:?}");
        assert_eq!(embedder.embedded(), 3);
    }

    #[tokio::test]
    async fn vectors_have_norm_one_even_without_words() {
        let embedder = FakeEmbedder::new(8);
        let texts = vec!["".into(), "a".into(), "word ".repeat(600).into()];
        let request = EmbedRequest { texts, purpose: Purpose::Plain, priority: Priority::Bulk };
        let answer = embedder.embed(request).await.unwrap();
        assert_eq!((answer.tokens, answer.truncated), (513, 1));
        for vector in answer.vectors {
            assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[tokio::test]
    async fn a_set_failure_is_answered_until_it_is_mended() {
        let embedder = FakeEmbedder::new(8);
        let request = || EmbedRequest { texts: vec!["a".into()], purpose: Purpose::Plain, priority: Priority::Bulk };
        embedder.fail_with(Some(EngineError::Stopped));
        assert_eq!(embedder.embed(request()).await, Err(EngineError::Stopped));
        embedder.fail_with(None);
        assert!(embedder.embed(request()).await.is_ok());
    }
}
