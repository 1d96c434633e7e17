//! The two ways to find: by meaning and by word, in every knowledge base at once.

use futures::future::try_join_all;
use kubemate_identity::TenantId;
use kubemate_vectors::{DenseQuery, Hit, LexicalQuery, VectorsError};

use super::visible::Visible;
use super::{QueryVectors, SearchRequest, Space};
use crate::{Corpus, CorpusError, layout};

/// How many times more hits are asked for when invisible ones crowd an arm out, as they do for the moment between
/// writing a large document and showing it.
const WIDEST: usize = 16;

/// The visible hits of one query in one knowledge base.
#[derive(Debug)]
pub(super) struct Arms {
    pub(super) store: String,
    pub(super) model: String,
    pub(super) query: String,
    pub(super) dense: Vec<Hit>,
    pub(super) lexical: Vec<Hit>,
}

impl Corpus {
    /// Asks both arms of all knowledge bases at once.
    pub(super) async fn arms(
        &self,
        tenant: &TenantId,
        spaces: &[Space],
        visible: &Visible,
        request: &SearchRequest,
        query: &str,
        vectors: Option<&QueryVectors>,
    ) -> Result<Vec<Arms>, CorpusError> {
        let both = spaces.iter().map(async |space| {
            let vector = vectors.and_then(|vectors| vectors.get(space.model()));
            let dense = self.dense(tenant, space, visible, request, vector);
            let lexical = self.lexical(tenant, space, visible, request, query);
            let (dense, lexical) = futures::try_join!(dense, lexical)?;
            let (store, model) = (space.store.clone(), space.model().to_owned());
            Ok(Arms { store, model, query: query.to_owned(), dense, lexical })
        });
        try_join_all(both).await
    }

    async fn dense(
        &self,
        tenant: &TenantId,
        space: &Space,
        visible: &Visible,
        request: &SearchRequest,
        vector: Option<&Vec<f32>>,
    ) -> Result<Vec<Hit>, CorpusError> {
        let Some(vector) = vector else { return Ok(Vec::new()) };
        let id = layout::space(&space.store)?;
        let ask = |limit| {
            let query = DenseQuery { vector: vector.clone(), limit, filter: request.filter.clone() };
            self.parts.vectors.dense(tenant, &id, query)
        };
        self.visible_hits(&space.store, visible, request.limit, ask).await
    }

    async fn lexical(
        &self,
        tenant: &TenantId,
        space: &Space,
        visible: &Visible,
        request: &SearchRequest,
        query: &str,
    ) -> Result<Vec<Hit>, CorpusError> {
        let id = layout::space(&space.store)?;
        let ask = |limit| {
            let query = LexicalQuery { text: query.to_owned(), limit, filter: request.filter.clone() };
            self.parts.vectors.lexical(tenant, &id, query)
        };
        self.visible_hits(&space.store, visible, request.limit, ask).await
    }

    /// Asks for candidates, and for more when too many of them may not be shown.
    async fn visible_hits<F>(
        &self,
        store: &str,
        visible: &Visible,
        limit: usize,
        ask: impl Fn(usize) -> F,
    ) -> Result<Vec<Hit>, CorpusError>
    where
        F: Future<Output = Result<Vec<Hit>, VectorsError>>,
    {
        let wanted = self.config().search.candidates.max(limit).max(1);
        let mut asked = wanted;
        loop {
            let mut hits = ask(asked).await?;
            let is_all = hits.len() < asked;
            hits.retain(|hit| visible.shows(store, &hit.passage));
            if is_all || hits.len() >= wanted || asked >= wanted.saturating_mul(WIDEST) {
                hits.truncate(wanted);
                return Ok(hits);
            }
            asked = asked.saturating_mul(4);
        }
    }
}
