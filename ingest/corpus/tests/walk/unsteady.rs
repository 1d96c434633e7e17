//! A store that gives way before and after each call, so that a test can end the caller there, and that can be made to
//! fail or to wait.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kubemate_identity::TenantId;
use kubemate_objects::{ByteStream, ObjectKey, ObjectStore, ObjectsError, Stored};
use kubemate_vectors::{
    DenseQuery, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorStore, VectorsError,
};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Unsteady<S> {
    pub(crate) inner: Arc<S>,
    /// Held once more by each write that is under way, even when its caller has ended.
    writes: Arc<()>,
    /// Writes of points that fail from now on.
    pub(crate) failures: AtomicUsize,
    /// A permit is needed for each write of points to return.
    pub(crate) gate: Semaphore,
}

impl<S> Unsteady<S> {
    pub(crate) fn new(inner: S) -> Self {
        let (inner, writes) = (Arc::new(inner), Arc::new(()));
        Self { inner, writes, failures: AtomicUsize::new(0), gate: Semaphore::new(Semaphore::MAX_PERMITS) }
    }

    /// Whether no write is under way. The end of a process ends its writes; that of a future leaves the one on the
    /// blocking threads, which a test that plays the end of a process has to wait for.
    pub(crate) fn is_at_rest(&self) -> bool {
        Arc::strong_count(&self.writes) == 1
    }

    async fn write<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> T {
        let held = Arc::clone(&self.writes);
        let task = tokio::spawn(async move {
            let result = write.await;
            drop(held);
            result
        });
        self.call(task).await.unwrap()
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        yield_now().await;
        let result = call.await;
        yield_now().await;
        result
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Unsteady<S> {
    async fn put(&self, tenant: &TenantId, key: &ObjectKey, body: ByteStream) -> Result<Stored, ObjectsError> {
        let (inner, tenant, key) = (Arc::clone(&self.inner), tenant.clone(), key.clone());
        self.write(async move { inner.put(&tenant, &key, body).await }).await
    }
    async fn get(&self, tenant: &TenantId, key: &ObjectKey) -> Result<ByteStream, ObjectsError> {
        self.call(self.inner.get(tenant, key)).await
    }
    async fn get_range(
        &self,
        tenant: &TenantId,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectsError> {
        self.call(self.inner.get_range(tenant, key, range)).await
    }
    async fn stat(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Option<u64>, ObjectsError> {
        self.call(self.inner.stat(tenant, key)).await
    }
    async fn delete(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(), ObjectsError> {
        let (inner, tenant, key) = (Arc::clone(&self.inner), tenant.clone(), key.clone());
        self.write(async move { inner.delete(&tenant, &key).await }).await
    }
    async fn list(&self, tenant: &TenantId, prefix: &str) -> Result<Vec<ObjectKey>, ObjectsError> {
        self.call(self.inner.list(tenant, prefix)).await
    }
    async fn check(&self) -> Result<(), ObjectsError> {
        self.inner.check().await
    }
}

#[async_trait]
impl<S: VectorStore> VectorStore for Unsteady<S> {
    async fn ensure(&self, tenant: &TenantId, space: &SpaceId, spec: &SpaceSpec) -> Result<(), VectorsError> {
        self.call(self.inner.ensure(tenant, space, spec)).await
    }
    async fn upsert(&self, tenant: &TenantId, space: &SpaceId, points: Vec<Point>) -> Result<(), VectorsError> {
        let fails = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(VectorsError::DiskFull);
        }
        self.call(self.inner.upsert(tenant, space, points)).await?;
        self.gate.acquire().await.unwrap().forget();
        Ok(())
    }
    async fn dense(&self, tenant: &TenantId, space: &SpaceId, query: DenseQuery) -> Result<Vec<Hit>, VectorsError> {
        self.call(self.inner.dense(tenant, space, query)).await
    }
    async fn lexical(&self, tenant: &TenantId, space: &SpaceId, query: LexicalQuery) -> Result<Vec<Hit>, VectorsError> {
        self.call(self.inner.lexical(tenant, space, query)).await
    }
    async fn get(&self, tenant: &TenantId, space: &SpaceId, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError> {
        self.call(self.inner.get(tenant, space, ids)).await
    }
    async fn delete(&self, tenant: &TenantId, space: &SpaceId, selector: Selector) -> Result<(), VectorsError> {
        self.call(self.inner.delete(tenant, space, selector)).await
    }
    async fn drop_space(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        self.call(self.inner.drop_space(tenant, space)).await
    }
    async fn count(&self, tenant: &TenantId, space: &SpaceId) -> Result<u64, VectorsError> {
        self.inner.count(tenant, space).await
    }
    async fn spec(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<SpaceSpec>, VectorsError> {
        self.inner.spec(tenant, space).await
    }
    async fn page(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Point>, VectorsError> {
        self.inner.page(tenant, space, after, limit).await
    }
    async fn check(&self) -> Result<(), VectorsError> {
        self.inner.check().await
    }
}
