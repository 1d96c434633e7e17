//! Everything a corpus needs, small and at hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubemate_corpus::{Corpus, CorpusConfig, Found, InProcessParser, Parts, SearchRequest};
use kubemate_engine::Embedder;
use kubemate_engine::fake::FakeEmbedder;
use kubemate_identity::TenantId;
use kubemate_ledger::{DocumentRow, DocumentStatus, JobState, Ledger, NewDocument, NewFile, NewStore, new_id};
use kubemate_objects::{Directory, ObjectKey, ObjectStore, once};
use kubemate_vectors::{MemoryVectors, SpaceId, VectorStore};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::unsteady::Unsteady;

/// Words that every passage of a test holds, so that one question finds all of them.
pub(crate) const COMMON: &str = "kubemate";

pub(crate) struct House {
    pub(crate) ledger: Ledger,
    pub(crate) objects: Arc<Unsteady<Directory>>,
    pub(crate) vectors: Arc<Unsteady<MemoryVectors>>,
    pub(crate) embedder: Arc<FakeEmbedder>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) config: CorpusConfig,
    _folder: tempfile::TempDir,
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_memory().await.unwrap();
        // Ids of files carry the real time, so the clock begins there.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = Arc::new(AtomicI64::new(since.as_millis() as i64));
        let mut config = CorpusConfig { embedder: "fake-embedder".into(), ..CorpusConfig::default() };
        config.worker.poll = Duration::from_millis(5);
        config.chunking.tokens = 48;
        config.chunking.overlap = 0;
        let house = Self {
            objects: Arc::new(Unsteady::new(Directory::open(&folder.path().join("objects")).await.unwrap())),
            vectors: Arc::new(Unsteady::new(MemoryVectors::default())),
            embedder: Arc::new(FakeEmbedder::new(64)),
            ledger,
            clock,
            config,
            _folder: folder,
        };
        for name in ["a", "b"] {
            house.ledger.create_tenant(&tenant(name), house.now()).await.unwrap();
        }
        house
    }

    /// A corpus over these stores, as a process has it after its start.
    pub(crate) fn corpus(&self) -> Corpus {
        let clock = Arc::clone(&self.clock);
        let embedder: Arc<dyn Embedder> = self.embedder.clone();
        Corpus::new(Parts {
            ledger: self.ledger.clone(),
            objects: self.objects.clone(),
            vectors: self.vectors.clone(),
            embedders: Arc::new(BTreeMap::from([("fake-embedder".to_owned(), embedder)])),
            parser: Arc::new(InProcessParser::default()),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            config: self.config.clone(),
        })
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst) / 1000
    }

    /// Lets time pass, past any lease and any wait before a retry.
    pub(crate) fn hours_pass(&self) {
        self.clock.fetch_add(3_600_000, Ordering::SeqCst);
    }

    pub(crate) async fn store(&self, tenant: &TenantId) -> String {
        let new = NewStore {
            name: "docs".into(),
            description: None,
            metadata: json!({}),
            chunking: json!(null),
            embedder: "fake-embedder".into(),
            expires_after: None,
        };
        self.ledger.create_store(tenant, new, self.now()).await.unwrap().id.clone()
    }

    pub(crate) async fn upload(&self, tenant: &TenantId, filename: &str, text: &str) -> String {
        let id = new_id("file-");
        let key = ObjectKey::parse(&format!("files/{id}")).unwrap();
        let stored = self.objects.put(tenant, &key, once(text.to_owned())).await.unwrap();
        let new = NewFile {
            id: id.clone(),
            project: "proj_1".into(),
            filename: filename.into(),
            media_type: None,
            bytes: stored.bytes as i64,
            sha256: stored.sha256,
            purpose: "assistants".into(),
            expires_at: None,
        };
        self.ledger.create_file(tenant, new, self.now()).await.unwrap();
        id
    }

    pub(crate) async fn attach(&self, tenant: &TenantId, store: &str, file: &str) {
        self.attach_with(tenant, store, file, json!({}), json!(null)).await;
    }

    pub(crate) async fn attach_with(
        &self,
        tenant: &TenantId,
        store: &str,
        file: &str,
        attributes: serde_json::Value,
        chunking: serde_json::Value,
    ) {
        let new = NewDocument { file: file.into(), attributes, chunking, batch: None };
        self.ledger.attach(tenant, store, new, self.now()).await.unwrap();
    }

    pub(crate) async fn add(&self, tenant: &TenantId, store: &str, filename: &str, text: &str) -> String {
        let file = self.upload(tenant, filename, text).await;
        self.attach(tenant, store, &file).await;
        file
    }

    /// Works until no job is left that could be started now.
    pub(crate) async fn settle(&self) {
        self.settle_with(&self.corpus()).await;
    }

    pub(crate) async fn settle_with(&self, corpus: &Corpus) {
        let stop = CancellationToken::new();
        let idle = async {
            self.until(async || self.ledger.jobs_due(self.clock.load(Ordering::SeqCst)).await.unwrap() == 0).await;
            stop.cancel();
        };
        let both = async { tokio::join!(corpus.worker(stop.clone()), idle) };
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("the jobs end");
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, condition: impl AsyncFn() -> bool) {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn document(&self, tenant: &TenantId, store: &str, file: &str) -> DocumentRow {
        self.ledger.document(tenant, store, file).await.unwrap().into_inner()
    }

    pub(crate) async fn status(&self, tenant: &TenantId, store: &str, file: &str) -> DocumentStatus {
        self.document(tenant, store, file).await.status
    }

    pub(crate) async fn find(&self, tenant: &TenantId, store: &str, query: &str) -> Vec<Found> {
        self.find_with(&self.corpus(), tenant, store, query).await
    }

    pub(crate) async fn find_with(&self, corpus: &Corpus, tenant: &TenantId, store: &str, query: &str) -> Vec<Found> {
        let request = SearchRequest::new(vec![query.to_owned()], 50);
        corpus.search(tenant, &[store.to_owned()], request).await.unwrap()
    }

    pub(crate) async fn points(&self, tenant: &TenantId, store: &str) -> u64 {
        self.vectors.count(tenant, &SpaceId::new(store, 0).unwrap()).await.unwrap()
    }

    /// The keys of all objects of the tenant.
    pub(crate) async fn keys(&self, tenant: &TenantId) -> Vec<String> {
        self.objects.list(tenant, "").await.unwrap().into_iter().map(String::from).collect()
    }

    pub(crate) async fn failed_jobs(&self, tenant: &TenantId, store: &str, file: &str) -> usize {
        let jobs = self.ledger.jobs_of(tenant, store, file).await.unwrap();
        jobs.iter().filter(|job| job.state == JobState::Failed).count()
    }
}

/// A document of as many sections, each a passage of its own that holds [`COMMON`] and its number.
pub(crate) fn book(sections: usize) -> String {
    (0..sections).map(|number| section(number, "as it was first written")).collect()
}

pub(crate) fn section(number: usize, state: &str) -> String {
    format!(
        "# Section {number}\n\nThis part of the {COMMON} book is about subject{number}, {state}. \
         It says a second thing, that subject{number} is item {number} of the list.\n\n"
    )
}
