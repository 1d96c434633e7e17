//! A second look at the best candidates by a model that reads question and passage together.

use std::sync::Arc;

use kubemate_engine::{EmbedderReranker, Priority, Reranker};

use super::candidates::Candidates;
use super::{Rerank, SearchRequest, Space};
use crate::{Corpus, CorpusError};

impl Corpus {
    /// The reranker of a search; `None` when it has none.
    pub(super) fn reranker(&self, asked: &Rerank, spaces: &[Space]) -> Option<Arc<dyn Reranker>> {
        match asked {
            Rerank::Off => None,
            Rerank::AsConfigured if !self.config().search.rerank => None,
            Rerank::By(reranker) => Some(Arc::clone(reranker)),
            Rerank::AsConfigured | Rerank::Own => {
                spaces.first().map(|space| Arc::new(EmbedderReranker::new(space.embedder.clone())) as _)
            }
        }
    }

    pub(super) async fn rerank(
        &self,
        reranker: &dyn Reranker,
        request: &SearchRequest,
        candidates: &mut Candidates,
    ) -> Result<(), CorpusError> {
        let config = &self.config().search;
        let texts = candidates.best_texts(config.rerank_candidates);
        let Some(query) = request.queries.first().filter(|_| !texts.is_empty()) else { return Ok(()) };
        let scores = reranker.rerank(query, &texts, Priority::Interactive).await?;
        candidates.reorder(&scores, config.rerank_weight);
        Ok(())
    }
}
