//! Everything a request may reach, composed once at start.

use std::{
    ops::Deref,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use kubemate_corpus::{ChildParser, Corpus, Parts};
use kubemate_ledger::Ledger;
use kubemate_objects::ObjectStore;
use kubemate_vectors::VectorStore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    answer_cache::AnswerCache,
    auth::{AuditTrail, KeyRing},
    caches::Caches,
    config::{Config, Loaded, ObjectsKind, StoreConfig},
    guard::Guard,
    limits::{Limits, Turns},
    models::{LocalModels, Routes, UsageMeter, assistants::SavedNames},
    routing::Spec,
    telemetry::{Scrape, Telemetry},
};

/// Seconds since 1970 by the machine's clock. Rooms below never read it themselves.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Milliseconds since 1970, for rows that are ordered more finely.
pub(crate) fn unix_now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The shared state of the process; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

/// What [`App`] holds.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) vectors: Arc<dyn VectorStore>,
    pub(crate) caches: Caches,
    /// What may leave for upstreams.
    pub(crate) guard: Guard,
    /// Answers that were given before.
    pub(crate) kept: AnswerCache,
    pub(crate) corpus: Arc<Corpus>,
    pub(crate) local: Arc<LocalModels>,
    pub(crate) routes: Routes,
    pub(crate) keys: KeyRing,
    pub(crate) saved_names: SavedNames,
    pub(crate) audit: AuditTrail,
    pub(crate) usage: UsageMeter,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Scrape,
    pub(crate) telemetry: Telemetry,
    /// Cancelled when the process was asked to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when the time for open requests is over; what is still answered ends with an error.
    pub(crate) cut: CancellationToken,
    /// Work that outlives its request; waited for before the stores close.
    pub(crate) background: TaskTracker,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Opens the stores and composes the rooms. Nothing listens yet.
    ///
    /// # Errors
    /// What could not be opened and which setting names it.
    pub(crate) async fn open(loaded: Loaded, metrics: Scrape) -> anyhow::Result<Self> {
        let config = loaded.config.clone();
        let stores = Stores::open(&config).await?;
        let local = Arc::new(LocalModels::new(&config)?);
        let corpus = Arc::new(open_corpus(&config, &stores, &local)?);
        let background = TaskTracker::new();
        let keys = KeyRing::open(stores.ledger.clone(), config.auth.admin_key.as_ref()).await?;
        let audit = AuditTrail::start(stores.ledger.clone(), &background);
        let telemetry = Telemetry::start(&config.telemetry, config.log.requests, &background)?;
        let caches = Caches::open(&config.store.cache)?;
        let guard = Guard::new(&config.guard)?;
        let kept = AnswerCache::new(caches.values.clone(), background.clone());
        let counters = caches.counters.clone();
        let limits = Limits::open(stores.ledger.clone(), config.limits.clone(), counters, &background).await?;
        let gate = (limits.clone(), Turns::new(config.limits.queue));
        let usage = UsageMeter::start(stores.ledger.clone(), &background, gate, config.prices.clone());
        let saved = Spec::saved(&stores.ledger, config.auth.secret_files.as_deref()).await?;
        let routes = Routes::new(&loaded, saved, local.clone())?;
        let Stores { ledger, objects, vectors } = stores;
        Ok(Self(Arc::new(Shared {
            config,
            ledger,
            objects,
            vectors,
            caches,
            guard,
            kept,
            corpus,
            local,
            routes,
            keys,
            saved_names: SavedNames::default(),
            audit,
            usage,
            limits,
            metrics,
            telemetry,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            background,
        })))
    }
}

/// The stores, embedded below `store.data_dir` or elsewhere.
struct Stores {
    ledger: Ledger,
    objects: Arc<dyn ObjectStore>,
    vectors: Arc<dyn VectorStore>,
}

impl Stores {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let data = &config.store.data_dir;
        private_folder(data).with_context(|| format!("`store.data_dir` = `{}` cannot be used", data.display()))?;
        let ledger = config.store.open_ledger().await?;
        let objects = open_objects(&config.store).await?;
        let vectors = config.store.vectors.resolve().map_err(anyhow::Error::msg)?;
        let vectors = vectors.open(&data.join("vectors")).await.context("the vectors cannot be opened")?;
        Ok(Self { ledger, objects, vectors })
    }
}

/// Opens the configured object store. A bucket that cannot be reached now may be later: until then it is a warning.
async fn open_objects(config: &StoreConfig) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let objects = config.objects.opened().map_err(anyhow::Error::msg)?;
    let objects = objects.open(&config.data_dir.join("objects")).await.context("`store.objects` cannot be used")?;
    if config.objects.kind == ObjectsKind::S3
        && let Err(error) = objects.check().await
    {
        warn!(error = %error, "`store.objects` does not answer as it should; files wait until it does");
    }
    Ok(objects)
}

fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn open_corpus(config: &Config, stores: &Stores, local: &Arc<LocalModels>) -> anyhow::Result<Corpus> {
    let exe = std::env::current_exe().context("the path of this program is not known")?;
    Ok(Corpus::new(Parts {
        ledger: stores.ledger.clone(),
        objects: stores.objects.clone(),
        vectors: stores.vectors.clone(),
        embedders: local.clone(),
        parser: Arc::new(ChildParser::new(exe, vec!["parse-worker".to_owned()], config.parsing.clone())),
        clock: Arc::new(unix_now_ms),
        config: config.corpus.clone(),
    }))
}

impl App {
    /// Bytes free below `store.data_dir`.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn free_space(&self) -> std::io::Result<u64> {
        let found = rustix::fs::statvfs(&self.config.store.data_dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}
