//! The client, every call of it bounded in time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use milvus::v2::ClientV2;
use milvus::v2::error::Error;
use milvus::v2::prelude::{
    CheckHealthRequest, CreateCollectionRequest, CreateIndexRequest, DescribeCollectionRequest,
    GetServerVersionRequest, HasCollectionRequest, LoadCollectionRequest,
};
use milvus::v2::types::{CollectionSchema, ConnectConfig, IndexParam, RetryConfig, TelemetryConfig};

use super::{MilvusConfig, schema};
use crate::VectorsError;

/// Attempts of a call, with the first: a server that restarts refuses connections for a moment.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(800);
/// How long making or loading a collection may take; a full server builds its parts on several nodes.
const MAKING: Duration = Duration::from_secs(60);
/// How long readiness waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a server can do, by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Binds the values of a condition itself.
    pub(super) templates: bool,
    /// Has the BM25 function.
    pub(super) bm25: bool,
    /// Wants one writer at a time.
    pub(super) one_writer: bool,
    /// Indexes the elements of lists.
    pub(super) list_index: bool,
}

impl Abilities {
    /// `v2.5.4`, `2.6.1-dev`, `milvus_lite-3.2.2`; a version that is not a number is taken for a new one.
    fn of(version: &str) -> Self {
        if version.starts_with("milvus_lite") {
            return Self { templates: false, bm25: true, one_writer: true, list_index: false };
        }
        let mut parts = version.trim_start_matches('v').split(['.', '-']).map(str::parse::<u32>);
        let new = match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (2, 5),
            _ => true,
        };
        Self { templates: new, bm25: new, one_writer: false, list_index: true }
    }
}

/// The connection to a server, made at its first use.
#[derive(Debug)]
pub(super) struct Connection {
    config: MilvusConfig,
    client: tokio::sync::Mutex<Option<Connected>>,
    /// Collections that this process has seen ready for use.
    open: Mutex<HashSet<String>>,
    making: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Connected {
    client: ClientV2,
    abilities: Abilities,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.abilities.fmt(out)
    }
}

impl Connection {
    pub(super) fn new(config: &MilvusConfig) -> Self {
        let (client, making) = (tokio::sync::Mutex::new(None), tokio::sync::Mutex::new(()));
        Self { config: config.clone(), client, open: Mutex::default(), making }
    }

    pub(super) async fn abilities(&self) -> Result<Abilities, VectorsError> {
        Ok(self.connected().await?.abilities)
    }

    /// Whether the server answers.
    pub(super) async fn check(&self) -> Result<(), VectorsError> {
        let ask = async {
            let client = self.connected().await?.client;
            let request = CheckHealthRequest::builder().build().map_err(|error| failed("asked for health", error))?;
            client.check_health(request).await.map_err(|error| failed("asked for health", error))
        };
        let health = bounded("asked for health", PATIENCE, ask).await?;
        match health.is_healthy() {
            true => Ok(()),
            false => Err(VectorsError::store("asked for health", "the server says that it is not healthy")),
        }
    }

    /// A call on a collection. One that the server forgot to have loaded, because it was started anew, is loaded again.
    pub(super) async fn on_shelf<R, T, F, A>(
        &self,
        doing: &'static str,
        shelf: &str,
        request: Result<R, Error>,
        ask: A,
    ) -> Result<T, VectorsError>
    where
        R: Clone,
        A: Fn(ClientV2, R) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let request = request.map_err(|error| failed(doing, error))?;
        let client = self.connected().await?.client;
        self.load(&client, shelf).await?;
        let call = async { Ok(ask(client.clone(), request.clone()).await) };
        match bounded(doing, self.config.timeout, call).await? {
            Err(error) if is_unloaded(&error) => {
                self.opened().remove(shelf);
                self.load(&client, shelf).await?;
                let call = async { ask(client.clone(), request).await.map_err(|error| failed(doing, error)) };
                bounded(doing, self.config.timeout, call).await
            }
            other => other.map_err(|error| failed(doing, error)),
        }
    }

    /// Makes the collection unless it is there, and loads it.
    pub(super) async fn make(
        &self,
        name: &str,
        schema: CollectionSchema,
        indexes: &[IndexParam],
    ) -> Result<(), VectorsError> {
        if self.opened().contains(name) {
            return Ok(());
        }
        let _one = self.making.lock().await;
        let client = self.connected().await?.client;
        let doing = "made a collection";
        let work = async {
            let asked = HasCollectionRequest::builder().collection_name(name).build();
            let asked = asked.map_err(|error| failed(doing, error))?;
            let there = client.has_collection(asked).await.map_err(|error| failed(doing, error))?.exists();
            if there {
                fits(&client, name, &schema).await?;
                // Without its indexes, because a process ended before it asked for them, it cannot be loaded.
                if self.load(&client, name).await.is_ok() {
                    return Ok(());
                }
            } else {
                create(&client, name, schema).await.map_err(|error| failed(doing, error))?;
            }
            index(&client, name, indexes).await.map_err(|error| failed(doing, error))
        };
        bounded(doing, MAKING, work).await?;
        self.load(&client, name).await
    }

    async fn load(&self, client: &ClientV2, name: &str) -> Result<(), VectorsError> {
        if self.opened().contains(name) {
            return Ok(());
        }
        let doing = "loaded a collection";
        let work = async {
            let longest = i64::try_from(MAKING.as_millis()).unwrap_or(i64::MAX);
            let request = LoadCollectionRequest::builder().collection_name(name).timeout_ms(longest).build();
            client
                .load_collection(request.map_err(|error| failed(doing, error))?)
                .await
                .map_err(|error| failed(doing, error))
        };
        bounded(doing, MAKING, work).await?;
        self.opened().insert(name.to_owned());
        Ok(())
    }

    async fn connected(&self) -> Result<Connected, VectorsError> {
        let doing = "connected";
        let work = async {
            let mut held = self.client.lock().await;
            if let Some(connected) = &*held {
                return Ok(connected.clone());
            }
            let client = ClientV2::new(&self.settings()).await.map_err(|error| failed(doing, error))?;
            let request = GetServerVersionRequest::builder().build().map_err(|error| failed(doing, error))?;
            let version = client.server_version(request).await.map_err(|error| failed(doing, error))?;
            let abilities = Abilities::of(version.version());
            tracing::info!(milvus.version = version.version(), milvus.bm25 = abilities.bm25, "connected to Milvus");
            Ok(held.insert(Connected { client, abilities }).clone())
        };
        bounded(doing, self.config.connect_timeout, work).await
    }

    fn settings(&self) -> ConnectConfig {
        let config = &self.config;
        let retry = RetryConfig::new().max_attempts(ATTEMPTS).max_retry_timeout(config.timeout);
        let retry = retry.initial_backoff(FIRST_WAIT).max_backoff(LONGEST_WAIT);
        let mut settings = ConnectConfig::new().uri(&config.url).connect_timeout(config.connect_timeout);
        settings = settings.rpc_timeout(config.timeout).retry(retry).telemetry(TelemetryConfig::new().enabled(false));
        if let Some(token) = &config.token {
            settings = settings.token(token);
        }
        if !config.database.is_empty() {
            settings = settings.database(&config.database);
        }
        if let Some(file) = &config.ca_file {
            settings = settings.ca_certificate(file);
        }
        settings
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn create(client: &ClientV2, name: &str, schema: CollectionSchema) -> Result<(), Error> {
    let mut request = CreateCollectionRequest::builder().collection_name(name);
    if schema::partitions(&schema) > 0 {
        request = request.num_partitions(schema::partitions(&schema));
    }
    client.create_collection(request.schema(schema).build()?).await
}

async fn index(client: &ClientV2, name: &str, indexes: &[IndexParam]) -> Result<(), Error> {
    // Not waited for: a server that indexes at once never says that it began.
    let indexes = CreateIndexRequest::builder().collection_name(name).index_params(indexes.to_vec()).sync(false);
    client.create_index(indexes.build()?).await
}

/// Refuses a collection of this name that somebody else made.
async fn fits(client: &ClientV2, name: &str, schema: &CollectionSchema) -> Result<(), VectorsError> {
    let doing = "looked at a collection";
    let request = DescribeCollectionRequest::builder().collection_name(name).build();
    let request = request.map_err(|error| failed(doing, error))?;
    let found = client.describe_collection(request).await.map_err(|error| failed(doing, error))?;
    let held = found.description().get_schema().get_fields();
    let is_held = |name: &str| held.iter().any(|field| field.get_name() == name);
    match schema.get_fields().iter().find(|field| !is_held(field.get_name())) {
        None => Ok(()),
        Some(field) => {
            let field = field.get_name();
            let told = format!("collection `{name}` has no field `{field}`: set another `store.vectors.prefix`");
            Err(VectorsError::store(doing, told))
        }
    }
}

/// Whether the server says that the collection must be loaded first (its code 101).
fn is_unloaded(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("code=101") || text.contains("not loaded")
}

/// What the client said; it holds no passage.
fn failed(doing: &'static str, error: Error) -> VectorsError {
    VectorsError::store(doing, error)
}

async fn bounded<T>(
    doing: &'static str,
    longest: Duration,
    work: impl Future<Output = Result<T, VectorsError>>,
) -> Result<T, VectorsError> {
    match tokio::time::timeout(longest, work).await {
        Ok(result) => result,
        Err(_) => {
            Err(VectorsError::store(doing, format!("the server did not answer within {} ms", longest.as_millis())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_say_what_a_server_can_do() {
        let all = Abilities { templates: true, bm25: true, one_writer: false, list_index: true };
        let none = Abilities { templates: false, bm25: false, one_writer: false, list_index: true };
        for (version, abilities) in [("v2.5.4", all), ("2.6.1-dev", all), ("3.0", all), ("master-2026", all)] {
            assert_eq!(Abilities::of(version), abilities, "{version}");
        }
        for version in ["2.4.23", "v2.3.5"] {
            assert_eq!(Abilities::of(version), none, "{version}");
        }
        assert!(!Abilities::of("milvus_lite-3.2.2").templates);
    }
}
