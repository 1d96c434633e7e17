//! The product's own pipeline over a temporary folder.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use kubemate_corpus::{Corpus, CorpusConfig, CorpusError, Found, Parts, SearchRequest};
use kubemate_engine::{
    EmbedInput, EmbedRequest, Embedded, Embedder, EngineError, LocalConfig, ModelIdentity, TokenCounter, open_embedder,
};
use kubemate_identity::TenantId;
use kubemate_ledger::{Ledger, NewDocument, NewFile, NewStore, new_id};
use kubemate_objects::{Directory, ObjectKey, ObjectStore, once};
use kubemate_vectors::{VectorStore, VectorsConfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::sections::{Blanking, Section};

/// An embedder that remembers what it has made.
#[derive(Debug)]
struct Remembering {
    inner: Arc<dyn Embedder>,
    vectors: Mutex<HashMap<String, Vec<f32>>>,
}

#[async_trait]
impl Embedder for Remembering {
    fn identity(&self) -> &ModelIdentity {
        self.inner.identity()
    }

    fn tokenizer(&self) -> Arc<dyn TokenCounter> {
        self.inner.tokenizer()
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embedded, EngineError> {
        let texts = request.texts.clone();
        let embedded = self.inner.embed(request).await?;
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, vector) in texts.into_iter().zip(&embedded.vectors) {
            if let EmbedInput::Text(text) = text {
                vectors.insert(text, vector.clone());
            }
        }
        Ok(embedded)
    }
}

/// A knowledge base of the files with answers.
pub(crate) struct House {
    corpus: Corpus,
    embedder: Arc<Remembering>,
    parser: Blanking,
    tenant: TenantId,
    store: String,
    pub(crate) passages: i64,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build(model: &str, files: &[String]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let inner = open_embedder(model, &cache(), &LocalConfig::default())?;
        let embedder = Arc::new(Remembering { inner, vectors: Mutex::default() });
        let ledger = Ledger::in_memory().await?;
        let tenant = TenantId::default_tenant();
        ledger.create_tenant(&tenant, now_ms() / 1000).await?;
        let mut config = CorpusConfig::default();
        config.chunking.heading_prefix = false; // so that what is embedded is the passage itself
        let objects = Arc::new(Directory::open(&folder.path().join("objects")).await?);
        let vectors: Arc<dyn VectorStore> = VectorsConfig::default().open(&folder.path().join("vectors")).await?;
        let parser = Blanking::default();
        let named: Arc<dyn Embedder> = embedder.clone();
        let parts = Parts {
            ledger: ledger.clone(),
            objects: objects.clone(),
            vectors,
            embedders: Arc::new(BTreeMap::from([(model.to_owned(), named)])),
            parser: Arc::new(parser.clone()),
            clock: Arc::new(now_ms),
            config,
        };
        let store = new_store(&ledger, &tenant, model).await?;
        for file in files {
            add(&ledger, &*objects, &tenant, &store, file).await?;
        }
        let corpus = Corpus::new(parts);
        settle(&corpus, &ledger).await?;
        let documents = ledger.counts(&tenant, &store).await?;
        if documents.completed == 0 {
            return Err("none of the files could be indexed".into());
        }
        let rows = ledger
            .documents(&tenant, &store, &kubemate_ledger::Page { limit: 10_000, ..Default::default() }, None)
            .await?;
        let passages = rows.data.iter().map(|row| row.chunks).sum();
        Ok(Self { corpus, embedder, parser, tenant, store, passages, _folder: folder })
    }

    /// The sections that can be asked for.
    pub(crate) fn questions(&self) -> Vec<Section> {
        self.parser.sections()
    }

    pub(crate) async fn search(&self, question: &str, limit: usize) -> Result<Vec<Found>, CorpusError> {
        let request = SearchRequest::new(vec![question.to_owned()], limit);
        self.corpus.search(&self.tenant, std::slice::from_ref(&self.store), request).await
    }

    /// The cosine between a question that was searched for and a passage that was found.
    pub(crate) fn cosine(&self, question: &str, found: &Found) -> f32 {
        let vectors = self.embedder.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = vectors.get(question).zip(vectors.get(&found.passage.text));
        pair.map(|(left, right)| left.iter().zip(right).map(|(a, b)| a * b).sum()).unwrap_or_default()
    }
}

fn cache() -> PathBuf {
    let cache = env::var_os("KUBEMATE_CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache/kubemate")).join("models")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn new_store(ledger: &Ledger, tenant: &TenantId, model: &str) -> Result<String, Box<dyn Error>> {
    let new = NewStore {
        name: "answers".to_owned(),
        description: None,
        metadata: json!({}),
        chunking: json!(null),
        embedder: model.to_owned(),
        expires_after: None,
    };
    Ok(ledger.create_store(tenant, new, now_ms() / 1000).await?.id.clone())
}

async fn add(
    ledger: &Ledger,
    objects: &dyn ObjectStore,
    tenant: &TenantId,
    store: &str,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let id = new_id("file-");
    let stored = objects.put(tenant, &ObjectKey::parse(&format!("files/{id}"))?, once(std::fs::read(path)?)).await?;
    let filename = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path).to_owned();
    let new = NewFile {
        id: id.clone(),
        project: String::new(),
        filename,
        media_type: None,
        bytes: i64::try_from(stored.bytes)?,
        sha256: stored.sha256,
        purpose: "assistants".to_owned(),
        expires_at: None,
    };
    ledger.create_file(tenant, new, now_ms() / 1000).await?;
    let document = NewDocument { file: id, attributes: json!({}), chunking: json!(null), batch: None };
    ledger.attach(tenant, store, document, now_ms() / 1000).await?;
    Ok(())
}

async fn settle(corpus: &Corpus, ledger: &Ledger) -> Result<(), Box<dyn Error>> {
    let stop = CancellationToken::new();
    let idle = async {
        loop {
            let waiting = ledger.jobs_waiting().await?;
            if waiting.queued + waiting.running == 0 {
                stop.cancel();
                return Ok::<(), Box<dyn Error>>(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ((), idle) = tokio::join!(corpus.worker(stop.clone()), idle);
    idle
}
