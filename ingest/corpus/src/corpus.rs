//! The room's front: what the process holds to ingest and to search.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kubemate_engine::{Embedder, EngineError};
use kubemate_identity::TenantId;
use kubemate_ledger::Ledger;
use kubemate_objects::{ObjectStore, collect};
use kubemate_vectors::VectorStore;

use crate::layout::Version;
use crate::search::SearchableCache;
use crate::{CorpusConfig, CorpusError, DocumentParser};

/// Tells the time in Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Longest stored text read back at once: the parser's own bound for a text.
const LONGEST_TEXT: usize = 1 << 30;

/// The embedders of this process by the name a vector store was made with.
#[async_trait]
pub trait Embedders: fmt::Debug + Send + Sync + 'static {
    /// The embedder of this name; the first call may load it.
    ///
    /// # Errors
    /// [`EngineError::UnknownModel`] when it does not run here, [`EngineError::Weights`] when it cannot be loaded.
    async fn embedder(&self, name: &str) -> Result<Arc<dyn Embedder>, EngineError>;
}

/// Embedders that are there from the start.
#[async_trait]
impl Embedders for BTreeMap<String, Arc<dyn Embedder>> {
    async fn embedder(&self, name: &str) -> Result<Arc<dyn Embedder>, EngineError> {
        self.get(name).cloned().ok_or_else(|| EngineError::UnknownModel(name.to_owned()))
    }
}

/// What a corpus is made of.
#[derive(Clone)]
pub struct Parts {
    /// Rows and jobs.
    pub ledger: Ledger,
    /// Bytes and texts.
    pub objects: Arc<dyn ObjectStore>,
    /// Passages with vectors.
    pub vectors: Arc<dyn VectorStore>,
    /// Models for passages and questions.
    pub embedders: Arc<dyn Embedders>,
    /// Reader of documents.
    pub parser: Arc<dyn DocumentParser>,
    /// The time.
    pub clock: Clock,
    /// Settings.
    pub config: CorpusConfig,
}

impl fmt::Debug for Parts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Knowledge bases: indexing and searching. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub(crate) parts: Arc<Parts>,
    pub(crate) searchable: Arc<SearchableCache>,
}

impl Corpus {
    /// A corpus over these parts. Nothing runs until [`Corpus::worker`] does.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), searchable: Arc::default() }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &CorpusConfig {
        &self.parts.config
    }

    /// The text that the spans of a document point into.
    ///
    /// # Errors
    /// [`CorpusError::Ledger`] with `NotFound` for a document that is not the tenant's, [`CorpusError::NotIndexed`] until it
    /// is searchable.
    pub async fn text(&self, tenant: &TenantId, store: &str, file: &str) -> Result<String, CorpusError> {
        let document = self.parts.ledger.document(tenant, store, file).await?;
        let version = document.searchable_version.ok_or(CorpusError::NotIndexed)?;
        let key = Version::new(store, file, version).text()?;
        let body = self.parts.objects.get(tenant, &key).await?;
        let bytes = collect(body, LONGEST_TEXT).await.map_err(kubemate_objects::ObjectsError::Store)?;
        String::from_utf8(bytes.into()).map_err(|_| CorpusError::Damaged("a text"))
    }

    pub(crate) async fn embedder(&self, name: &str) -> Result<Arc<dyn Embedder>, CorpusError> {
        Ok(self.parts.embedders.embedder(name).await?)
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms() / 1000
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.parts.clock)()
    }
}
