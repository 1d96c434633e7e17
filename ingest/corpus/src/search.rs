//! Finding passages: by meaning and by word at once, in one or several knowledge bases.
//!
//! Scores. Each arm's scores are scaled to 0..1 over its own candidates and added by weight; that decides the order. The
//! score that is returned keeps this order and says something by itself: the best hit's is its
//! [evidence](crate::relevance), 0 to 1, and the others stand to it as their sums do. So a threshold means the same for
//! every question, and a question about something else has low scores throughout.
//!
//! Nothing leaves that the ledger does not name as searchable for this tenant at this moment: a document that is being
//! indexed, was replaced, detached or deleted is not found, whatever the vector store still holds.

mod arms;
mod candidates;
mod reranking;
mod visible;
mod weights;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kubemate_engine::{EmbedRequest, Embedder, Priority, Purpose, Reranker};
use kubemate_identity::TenantId;
use kubemate_vectors::{Filter, Passage};
use serde::{Deserialize, Serialize};

use crate::relevance::RelevanceConfig;
use crate::{Corpus, CorpusError, Language, metering};

pub(crate) use visible::SearchableCache;
pub use weights::LexicalWeights;

use candidates::Candidates;

/// Longest question in bytes; what is longer is a document, not a question.
const LONGEST_QUERY: usize = 32 << 10;
/// Most queries of one search, and most knowledge bases.
const MOST: usize = 32;

/// Settings of the search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Hits taken from each arm before they are fused.
    pub candidates: usize,
    /// Weight of the words (BM25) in the order, 0 to 1; the rest is the meaning's. Unset: what was learned for the
    /// embedder and the language of the question.
    pub lexical_weight: Option<f32>,
    /// Weights of the words by embedder, for models that this room does not know or that were measured anew.
    pub lexical_weights: BTreeMap<String, LexicalWeights>,
    /// Whether the best candidates are ordered once more by a reranker where the request does not say.
    pub rerank: bool,
    /// The reranker: a model of `/v1/rerank`, which whoever asks looks up. Unset: late interaction of the knowledge
    /// base's own embedder.
    pub rerank_model: Option<String>,
    /// How many candidates the reranker reads.
    pub rerank_candidates: usize,
    /// Weight of the reranker's scores in the new order, 0 to 1; the rest is the order's that it was given.
    pub rerank_weight: f32,
    /// What counts as relevant.
    pub relevance: RelevanceConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        let relevance = RelevanceConfig::default();
        Self {
            candidates: 50,
            lexical_weight: None,
            lexical_weights: BTreeMap::new(),
            rerank: false,
            rerank_model: None,
            rerank_candidates: 20,
            rerank_weight: 0.5,
            relevance,
        }
    }
}

/// What to look for.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The question, or several wordings of it; a passage counts by its best.
    pub queries: Vec<String>,
    /// Most passages to return.
    pub limit: usize,
    /// Condition on the documents' attributes.
    pub filter: Option<Filter>,
    /// Least score, 0 to 1; unset returns all.
    pub score_threshold: Option<f32>,
    /// Weight of the words in place of the setting's. With 0 only the meaning is asked, with 1 only the words.
    pub lexical_weight: Option<f32>,
    /// Whether and by whom the best candidates are ordered once more.
    pub rerank: Rerank,
    /// Whether to drop greetings and courtesies from the queries first, see [`rewritten`].
    pub rewrite: bool,
}

impl SearchRequest {
    /// A search without conditions.
    #[must_use]
    pub fn new(queries: Vec<String>, limit: usize) -> Self {
        Self {
            queries,
            limit,
            filter: None,
            score_threshold: None,
            lexical_weight: None,
            rerank: Rerank::AsConfigured,
            rewrite: false,
        }
    }
}

/// Whether and by whom the best candidates of a search are ordered once more.
#[derive(Debug, Clone, Default)]
pub enum Rerank {
    /// As the settings say.
    #[default]
    AsConfigured,
    /// Not at all.
    Off,
    /// By late interaction of the knowledge base's own embedder.
    Own,
    /// By this one.
    By(Arc<dyn Reranker>),
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The knowledge base.
    pub store: String,
    /// The file's id.
    pub file: String,
    /// The file's name.
    pub filename: String,
    /// 0 to 1, see [the module](self).
    pub score: f32,
    /// How sure it is that this passage is about the question, 0 to 1.
    pub evidence: f32,
    /// The passage.
    pub passage: Passage,
}

impl Corpus {
    /// The best passages of these knowledge bases, best first.
    ///
    /// # Errors
    /// `NotFound` when one of the knowledge bases is not the tenant's, [`CorpusError::Invalid`] for a request that cannot be
    /// and for a knowledge base that has expired, and those of the stores and the embedder.
    pub async fn search(
        &self,
        tenant: &TenantId,
        stores: &[String],
        request: SearchRequest,
    ) -> Result<Vec<Found>, CorpusError> {
        let since = Instant::now();
        let request = checked(stores, request)?;
        let spaces = self.spaces(tenant, stores).await?;
        let visible = self.visible(tenant, stores).await?;
        let vectors = self.embed_queries(&spaces, &request.queries).await?;
        let mut candidates = Candidates::default();
        for (at, query) in request.queries.iter().enumerate() {
            let arms = self.arms(tenant, &spaces, &visible, &request, query, vectors.get(at)).await?;
            let language = Language::of(query);
            let weight = |model: &str| self.config().search.weight(request.lexical_weight, model, language);
            candidates.add(arms, weight);
        }
        if let Some(reranker) = self.reranker(&request.rerank, &spaces) {
            self.rerank(&*reranker, &request, &mut candidates).await?;
        }
        let found = candidates.finish(&request, &self.config().search.relevance);
        metering::searched(since);
        Ok(found)
    }

    /// Those of the best passages that are about the question: what a chat model may be given. Empty means that the
    /// knowledge base has no answer.
    ///
    /// # Errors
    /// As [`Corpus::search`].
    pub async fn grounds(
        &self,
        tenant: &TenantId,
        stores: &[String],
        request: SearchRequest,
    ) -> Result<Vec<Found>, CorpusError> {
        let threshold = self.config().search.relevance.threshold;
        let mut found = self.search(tenant, stores, request).await?;
        found.retain(|found| found.evidence >= threshold);
        Ok(found)
    }

    /// The knowledge bases with their embedders. Looking them up notes that they were used.
    async fn spaces(&self, tenant: &TenantId, stores: &[String]) -> Result<Vec<Space>, CorpusError> {
        let mut spaces: Vec<Space> = Vec::with_capacity(stores.len());
        for id in stores {
            let store = self.parts.ledger.store(tenant, id).await?;
            if store.is_expired(self.now()) {
                return Err(CorpusError::Invalid(format!("vector store `{id}` has expired")));
            }
            if let Err(cause) = self.parts.ledger.touch_store(tenant, id, self.now()).await {
                tracing::warn!(error.cause = %cause, "the use of a vector store could not be noted");
            }
            if spaces.iter().all(|space| space.store != *id) {
                spaces.push(Space { store: id.clone(), embedder: self.embedder(&store.embedder).await? });
            }
        }
        Ok(spaces)
    }

    /// One vector per query and embedder.
    async fn embed_queries(&self, spaces: &[Space], queries: &[String]) -> Result<Vec<QueryVectors>, CorpusError> {
        let mut vectors = vec![QueryVectors::new(); queries.len()];
        for space in spaces {
            let name = space.model();
            if vectors.iter().any(|vectors| vectors.contains_key(name)) {
                continue;
            }
            let texts = queries.iter().map(|query| query.as_str().into()).collect();
            let request = EmbedRequest { texts, purpose: Purpose::Query, priority: Priority::Interactive };
            let embedded = space.embedder.embed(request).await?;
            for (vectors, vector) in vectors.iter_mut().zip(embedded.vectors) {
                vectors.insert(name.to_owned(), vector);
            }
        }
        Ok(vectors)
    }
}

/// The vector of one query by the name of the embedder that made it.
type QueryVectors = BTreeMap<String, Vec<f32>>;

/// A knowledge base that is searched.
#[derive(Debug)]
struct Space {
    store: String,
    embedder: Arc<dyn Embedder>,
}

impl Space {
    fn model(&self) -> &str {
        &self.embedder.identity().name
    }
}

fn checked(stores: &[String], mut request: SearchRequest) -> Result<SearchRequest, CorpusError> {
    let invalid = |what: String| Err(CorpusError::Invalid(what));
    if request.rewrite {
        request.queries = request.queries.iter().map(|query| rewritten(query)).collect();
    }
    request.queries.retain(|query| !query.trim().is_empty());
    if request.queries.is_empty() {
        return invalid("the query is empty".to_owned());
    }
    if request.queries.len() > MOST || stores.len() > MOST {
        return invalid(format!("at most {MOST} queries and {MOST} vector stores can be searched at once"));
    }
    if request.queries.iter().any(|query| query.len() > LONGEST_QUERY) {
        return invalid(format!("a query has at most {LONGEST_QUERY} bytes"));
    }
    let weight = request.lexical_weight.unwrap_or_default();
    let threshold = request.score_threshold.unwrap_or_default();
    if !(0.0..=1.0).contains(&weight) || !(0.0..=1.0).contains(&threshold) {
        return invalid("weights and thresholds are between 0 and 1".to_owned());
    }
    Ok(request)
}

/// The query without the courtesies that questions are wrapped in: they are in no document, and pull every question
/// a little towards letters and speeches.
#[must_use]
pub fn rewritten(query: &str) -> String {
    const BEFORE: [&str; 20] = [
        "hello",
        "hi",
        "hey",
        "please",
        "could you",
        "can you",
        "would you",
        "tell me",
        "i want to know",
        "i would like to know",
        "do you know",
        "你好",
        "您好",
        "请问",
        "请",
        "麻烦",
        "帮我",
        "告诉我",
        "我想知道",
        "想问一下",
    ];
    let mut rest = query.trim();
    loop {
        let shorter = BEFORE.iter().find_map(|word| {
            let head = rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
            let tail = rest.get(head.len()..)?;
            let is_whole = !word.is_ascii() || !tail.starts_with(|letter: char| letter.is_alphanumeric());
            is_whole.then(|| {
                tail.trim_start_matches(|letter: char| {
                    letter.is_whitespace() || matches!(letter, ',' | '，' | '!' | '！')
                })
            })
        });
        match shorter.filter(|shorter| !shorter.trim().is_empty()) {
            Some(shorter) => rest = shorter,
            None => return rest.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courtesies_are_dropped_and_content_is_not() {
        for (query, expected) in [
            ("Hello, could you please tell me the price?", "the price?"),
            ("您好！请问年假几天", "年假几天"),
            ("hidden files", "hidden files"),
            ("please", "please"),
        ] {
            assert_eq!(rewritten(query), expected);
        }
    }

    #[test]
    fn requests_that_cannot_be_are_refused() {
        let stores = ["vs_1".to_owned()];
        let code = |request| checked(&stores, request).map(|_| ()).unwrap_err().code().to_owned();
        let new = |query: &str| SearchRequest::new(vec![query.to_owned()], 5);
        assert_eq!(code(new("  ")), "invalid_request");
        assert_eq!(code(new(&"x".repeat(40_000))), "invalid_request");
        assert_eq!(code(SearchRequest { score_threshold: Some(1.5), ..new("x") }), "invalid_request");
    }
}
