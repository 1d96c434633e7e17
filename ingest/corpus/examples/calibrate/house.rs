//! The product's own pipeline over a temporary folder.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubemate_corpus::relevance::Calibration;
use kubemate_corpus::{Corpus, CorpusConfig, CorpusError, Found, InProcessParser, Parts, SearchRequest};
use kubemate_engine::{EmbedRequest, Embedder, LocalConfig, Priority, Purpose, open_embedder};
use kubemate_identity::TenantId;
use kubemate_ledger::{Ledger, NewDocument, NewFile, NewStore, new_id};
use kubemate_objects::{Directory, ObjectKey, ObjectStore, once};
use kubemate_vectors::{DenseQuery, Hit, LexicalQuery, SpaceId, VectorStore, VectorsConfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::sets::{Section, cache};

/// Hits asked of one arm, as the search itself does.
const CANDIDATES: usize = 50;

/// A knowledge base of sections, each a document of its own, named by its place.
pub(crate) struct House {
    corpus: Corpus,
    embedder: Arc<dyn Embedder>,
    ledger: Ledger,
    objects: Arc<Directory>,
    vectors: Arc<dyn VectorStore>,
    tenant: TenantId,
    store: String,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build<'a>(
        model: &str,
        sections: impl IntoIterator<Item = (usize, &'a Section)>,
    ) -> Result<Self, Box<dyn Error>> {
        let house = Self::empty(model).await?;
        for (at, section) in sections {
            house.add(&format!("{at}.txt"), &section.text).await?;
        }
        let stop = CancellationToken::new();
        let ended = async {
            let ended = house.ended().await;
            stop.cancel();
            ended
        };
        let ((), ended) = tokio::join!(house.corpus.worker(stop.clone()), ended);
        ended?;
        Ok(house)
    }

    async fn empty(model: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let embedder = open_embedder(model, &cache().join("models"), &LocalConfig::default())?;
        let (ledger, tenant) = (Ledger::in_memory().await?, TenantId::default_tenant());
        ledger.create_tenant(&tenant, now_ms() / 1000).await?;
        let mut config = CorpusConfig::default();
        // What is reported as evidence is then a function of the cosine alone.
        let bare = Calibration { bias: 0.0, cosine: 1.0, coverage: 0.0, chinese: 0.0 };
        config.search.relevance.calibrations.insert(model.to_owned(), bare);
        let objects = Arc::new(Directory::open(&folder.path().join("objects")).await?);
        let vectors: Arc<dyn VectorStore> = VectorsConfig::default().open(&folder.path().join("vectors")).await?;
        let new = NewStore {
            name: "answers".to_owned(),
            description: None,
            metadata: json!({}),
            chunking: json!(null),
            embedder: model.to_owned(),
            expires_after: None,
        };
        let store = ledger.create_store(&tenant, new, now_ms() / 1000).await?.id.clone();
        let corpus = Corpus::new(Parts {
            ledger: ledger.clone(),
            objects: objects.clone(),
            vectors: Arc::clone(&vectors),
            embedders: Arc::new(BTreeMap::from([(model.to_owned(), Arc::clone(&embedder))])),
            parser: Arc::new(InProcessParser::default()),
            clock: Arc::new(now_ms),
            config,
        });
        Ok(Self { corpus, embedder, ledger, objects, vectors, tenant, store, _folder: folder })
    }

    async fn add(&self, filename: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let (id, now) = (new_id("file-"), now_ms() / 1000);
        let key = ObjectKey::parse(&format!("files/{id}"))?;
        let stored = self.objects.put(&self.tenant, &key, once(text.to_owned())).await?;
        let new = NewFile {
            id: id.clone(),
            project: String::new(),
            filename: filename.to_owned(),
            media_type: None,
            bytes: i64::try_from(stored.bytes)?,
            sha256: stored.sha256,
            purpose: "assistants".to_owned(),
            expires_at: None,
        };
        self.ledger.create_file(&self.tenant, new, now).await?;
        let document = NewDocument { file: id, attributes: json!({}), chunking: json!(null), batch: None };
        self.ledger.attach(&self.tenant, &self.store, document, now).await?;
        Ok(())
    }

    async fn ended(&self) -> Result<(), Box<dyn Error>> {
        while self.ledger.jobs_due(i64::MAX).await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The product's search.
    pub(crate) async fn search(&self, question: &str, weight: Option<f32>) -> Result<Vec<Found>, CorpusError> {
        let request =
            SearchRequest { lexical_weight: weight, ..SearchRequest::new(vec![question.to_owned()], CANDIDATES) };
        self.corpus.search(&self.tenant, std::slice::from_ref(&self.store), request).await
    }

    /// The cosine that the search found.
    pub(crate) fn cosine(found: &Found) -> f32 {
        (found.evidence / (1.0 - found.evidence)).ln()
    }

    /// BM25 alone.
    pub(crate) async fn lexical(&self, question: &str) -> Result<Vec<Hit>, Box<dyn Error>> {
        let query = LexicalQuery { text: question.to_owned(), limit: CANDIDATES, filter: None };
        Ok(self.vectors.lexical(&self.tenant, &SpaceId::new(&self.store, 0)?, query).await?)
    }

    /// The vectors alone.
    pub(crate) async fn dense(&self, question: &str) -> Result<Vec<Hit>, Box<dyn Error>> {
        let (purpose, priority) = (Purpose::Query, Priority::Interactive);
        let embedded = self.embedder.embed(EmbedRequest { texts: vec![question.into()], purpose, priority }).await?;
        let vector = embedded.vectors.into_iter().next().unwrap_or_default();
        let query = DenseQuery { vector, limit: CANDIDATES, filter: None };
        Ok(self.vectors.dense(&self.tenant, &SpaceId::new(&self.store, 0)?, query).await?)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
