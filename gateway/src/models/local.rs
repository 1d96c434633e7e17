//! Models on this machine: each loads at its first use and then stays.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use async_trait::async_trait;
use kubemate_corpus::Embedders;
use kubemate_engine::{
    Advice, CatalogueEntry, ChatModel, Embedder, EngineError, LocalConfig, ModelKind, Reranker, catalogue, open_chat,
    open_embedder, open_reranker,
};
use tokio::sync::OnceCell;
use tracing::info;

use crate::{
    answers::Habits,
    api::ApiError,
    config::{Config, WeightsConfig},
};

/// One model's place: filled by whoever asks first, shared by all.
type Slot<T> = Arc<OnceCell<Arc<T>>>;

/// The catalogue's models whose weights are in the cache folder.
#[derive(Debug)]
pub(crate) struct LocalModels {
    cache: PathBuf,
    config: LocalConfig,
    chats: Slots<dyn ChatModel>,
    embedders: Slots<dyn Embedder>,
}

#[derive(Debug)]
struct Slots<T: ?Sized>(Mutex<HashMap<String, Slot<T>>>);

impl<T: ?Sized> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized + Send + Sync + 'static> Slots<T> {
    async fn get(
        &self,
        name: &str,
        open: impl FnOnce() -> Result<Arc<T>, EngineError> + Send + 'static,
    ) -> Result<Arc<T>, EngineError> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        let loaded = slot.get_or_try_init(|| async {
            huge_pages(true);
            let opened = tokio::task::spawn_blocking(open).await;
            let model = opened.map_err(|error| EngineError::Weights(format!("loading stopped: {error}")))??;
            info!(model.name = %name, "model `{name}` is loaded");
            Ok(model)
        });
        loaded.await.cloned()
    }

    fn is_loaded(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).is_some_and(|slot| slot.initialized())
    }
}

/// The folder in which weights are kept.
///
/// # Errors
/// When neither the setting nor a home folder names one.
pub(crate) fn cache_folder(config: &WeightsConfig) -> anyhow::Result<PathBuf> {
    let from_home = || {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        base.or_else(|| Some(std::env::home_dir()?.join(".cache"))).map(|base| base.join("kubemate"))
    };
    let from_variable = || std::env::var_os("KUBEMATE_CACHE").map(PathBuf::from);
    let base = config.cache_dir.clone().or_else(from_variable).or_else(from_home);
    Ok(base.context("set `weights.cache_dir`: there is no home folder to keep model weights in")?.join("models"))
}

/// Whether the kernel may give this process pages of 2 MB. They make the way through weights shorter, and cost a process
/// without weights some 60 MB.
pub(crate) fn huge_pages(wanted: bool) {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(!wanted) {
        tracing::debug!(error = %error, "huge pages could not be switched");
    }
}

impl LocalModels {
    /// Nothing is loaded yet.
    ///
    /// # Errors
    /// When there is no folder for weights.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            cache: cache_folder(&config.weights)?,
            config: config.engine.clone(),
            chats: Slots::default(),
            embedders: Slots::default(),
        })
    }

    /// The models whose weights are all here, by size; hashes are checked when one is loaded.
    pub(crate) fn present(&self) -> Vec<&'static CatalogueEntry> {
        catalogue().iter().filter(|entry| self.is_present(entry)).collect()
    }

    fn is_present(&self, entry: &CatalogueEntry) -> bool {
        let folder = entry.folder(&self.cache);
        let whole = |file: &kubemate_engine::WeightFile| {
            folder.join(file.name()).metadata().is_ok_and(|found| found.len() == file.bytes)
        };
        entry.files.iter().all(whole)
    }

    /// Whether a model is in memory.
    pub(crate) fn is_loaded(&self, name: &str) -> bool {
        self.chats.is_loaded(name) || self.embedders.is_loaded(name)
    }

    /// The kind of a local model that is present.
    pub(crate) fn kind(&self, name: &str) -> Option<ModelKind> {
        self.present().into_iter().find(|entry| entry.name == name).map(|entry| entry.kind)
    }

    /// Refuses a model that does other things.
    ///
    /// # Errors
    /// `Invalid`, naming the field `model`.
    pub(crate) fn must_be(&self, name: &str, kind: ModelKind) -> Result<(), ApiError> {
        let does = match kind {
            ModelKind::Chat => "does not chat; it makes embeddings",
            ModelKind::Embedder => "makes no embeddings; it chats",
        };
        match self.kind(name) {
            Some(other) if other != kind => Err(ApiError::invalid("model", format!("model `{name}` {does}"))),
            _ => Ok(()),
        }
    }

    /// What a chat model does where a request says nothing.
    pub(crate) fn habits(&self, name: &str) -> Habits {
        let advice = catalogue().iter().find(|entry| entry.name == name).map_or(Advice::NONE, |entry| entry.advice);
        Habits { advice, answer_tokens: self.config.answer_tokens }
    }

    /// A chat model, loaded if it is not yet.
    ///
    /// # Errors
    /// `Weights` when files are missing or damaged, with the command that fetches them.
    pub(crate) async fn chat(&self, name: &str) -> Result<Arc<dyn ChatModel>, EngineError> {
        let (owned, cache, config) = (name.to_owned(), self.cache.clone(), self.config.clone());
        self.chats.get(name, move || open_chat(&owned, &cache, &config)).await
    }

    /// An embedder, loaded if it is not yet.
    ///
    /// # Errors
    /// As [`LocalModels::chat`].
    pub(crate) async fn embedder(&self, name: &str) -> Result<Arc<dyn Embedder>, EngineError> {
        let (owned, cache, config) = (name.to_owned(), self.cache.clone(), self.config.clone());
        self.embedders.get(name, move || open_embedder(&owned, &cache, &config)).await
    }

    /// The reranker that an embedder makes.
    ///
    /// # Errors
    /// As [`LocalModels::chat`].
    pub(crate) async fn reranker(&self, name: &str) -> Result<Arc<dyn Reranker>, EngineError> {
        Ok(open_reranker(self.embedder(name).await?))
    }
}

#[async_trait]
impl Embedders for LocalModels {
    async fn embedder(&self, name: &str) -> Result<Arc<dyn Embedder>, EngineError> {
        LocalModels::embedder(self, name).await
    }
}
