//! Qdrant's engine in this process: one shard of it in a folder for each tenant and space.
//!
//! Tenants are apart because their points are in different files. [`journal`] makes acknowledged writes outlive the
//! process, [`shard`] ties it to the engine, [`spaces`] bounds how many shards are open, [`indexer`] builds graphs
//! beside the reading and writing. All of it blocks, and runs on the threads kept for that.

mod disk;
mod engine;
mod indexer;
mod journal;
mod log;
mod operation;
mod payload;
mod shard;
mod space;
mod spaces;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use kubemate_identity::TenantId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::operation::Operation;
use self::shard::Shard;
use self::spaces::Spaces;
use crate::passage::check_vector;
use crate::{
    DenseQuery, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorStore, VectorsError, bm25,
};

/// How much the embedded store keeps open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Most spaces kept open while nobody uses them; the least recently used is closed. Opening a small one takes a few
    /// milliseconds.
    pub open_spaces: usize,
    /// From this many MiB of vectors on a space gets a graph over them; smaller ones are compared one by one, which is
    /// exact. 20 MiB are 13,000 vectors of 384 dimensions; docs/adr/0041-embedded-vectors.md has the times.
    pub graph_from_mib: usize,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { open_spaces: 64, graph_from_mib: 20 }
    }
}

/// The embedded vector store.
#[derive(Debug, Clone)]
pub struct Embedded {
    spaces: Arc<Spaces>,
}

impl Embedded {
    /// Opens the store in this folder, making it when it is not there. Spaces are opened when they are asked for.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the folder cannot be used, or is used by another process.
    pub async fn open(folder: &Path, config: &EmbeddedConfig) -> Result<Self, VectorsError> {
        let (folder, config) = (folder.to_owned(), config.clone());
        let spaces = blocking(move || Spaces::open(&folder, &config)).await?;
        Ok(Self { spaces: Arc::new(spaces) })
    }

    /// Waits until no space waits for its graph. Searches before that are exact, and slower in large spaces.
    pub async fn indexed(&self) {
        self.spaces.indexer().idle().await;
    }

    async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        work: impl FnOnce(&Spaces, spaces::Key) -> Result<T, VectorsError> + Send + 'static,
    ) -> Result<T, VectorsError> {
        let (spaces, key) = (self.spaces.clone(), (tenant.clone(), space.clone()));
        blocking(move || work(&spaces, key)).await
    }

    async fn read<T: Default + Send + 'static>(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        work: impl FnOnce(&Shard, &SpaceSpec) -> Result<T, VectorsError> + Send + 'static,
    ) -> Result<T, VectorsError> {
        self.run(tenant, space, |spaces, key| Ok(spaces.read(key, work)?.unwrap_or_default())).await
    }
}

#[async_trait]
impl VectorStore for Embedded {
    async fn ensure(&self, tenant: &TenantId, space: &SpaceId, spec: &SpaceSpec) -> Result<(), VectorsError> {
        let spec = spec.clone();
        self.run(tenant, space, move |spaces, key| spaces.ensure(key, &spec)).await
    }

    async fn upsert(&self, tenant: &TenantId, space: &SpaceId, points: Vec<Point>) -> Result<(), VectorsError> {
        if points.is_empty() {
            return Ok(());
        }
        let checked = move |spec: &SpaceSpec| {
            points.iter().try_for_each(|point| point.check(spec.dimensions))?;
            Ok(Operation::Upsert(points))
        };
        self.run(tenant, space, |spaces, key| spaces.write(key, checked)?.ok_or(VectorsError::NoSpace)).await
    }

    async fn dense(&self, tenant: &TenantId, space: &SpaceId, query: DenseQuery) -> Result<Vec<Hit>, VectorsError> {
        let search = move |shard: &Shard, spec: &SpaceSpec| {
            check_vector(&query.vector, spec.dimensions)?;
            shard.engine().dense(query.vector, query.limit, query.filter.as_ref())
        };
        self.read(tenant, space, search).await
    }

    async fn lexical(&self, tenant: &TenantId, space: &SpaceId, query: LexicalQuery) -> Result<Vec<Hit>, VectorsError> {
        let search = move |shard: &Shard, _: &SpaceSpec| {
            let terms = bm25::question(&query.text);
            shard.engine().lexical(terms, query.limit, query.filter.as_ref())
        };
        self.read(tenant, space, search).await
    }

    async fn get(&self, tenant: &TenantId, space: &SpaceId, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError> {
        let ids = ids.to_vec();
        self.read(tenant, space, move |shard, _| shard.engine().get(&ids)).await
    }

    async fn delete(&self, tenant: &TenantId, space: &SpaceId, selector: Selector) -> Result<(), VectorsError> {
        let write = move |spaces: &Spaces, key| spaces.write(key, |_| Ok(Operation::Delete(selector)));
        self.run(tenant, space, write).await.map(|_| ())
    }

    async fn drop_space(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        self.run(tenant, space, |spaces, key| spaces.remove(key)).await
    }

    async fn count(&self, tenant: &TenantId, space: &SpaceId) -> Result<u64, VectorsError> {
        self.read(tenant, space, |shard, _| Ok(shard.engine().count()? as u64)).await
    }

    async fn spec(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<SpaceSpec>, VectorsError> {
        self.read(tenant, space, |_, spec| Ok(Some(spec.clone()))).await
    }

    async fn page(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Point>, VectorsError> {
        self.read(tenant, space, move |shard, _| shard.engine().page(after, limit)).await
    }

    async fn check(&self) -> Result<(), VectorsError> {
        let spaces = self.spaces.clone();
        blocking(move || spaces.check()).await
    }
}

/// Runs work that waits for the device, or computes for long, on the threads kept for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VectorsError> + Send + 'static,
) -> Result<T, VectorsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => Err(VectorsError::store("worked", stopped)),
    }
}
