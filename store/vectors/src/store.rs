//! The trait that every vector store fulfils.

use std::fmt;

use async_trait::async_trait;
use kubemate_identity::TenantId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Filter, Hit, Passage, Point, SpaceId, SpaceSpec, VectorsError};

/// A search by meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseQuery {
    /// The question's embedding, of the space's dimensions.
    pub vector: Vec<f32>,
    /// Most hits to return; 0 returns none.
    pub limit: usize,
    /// Only passages whose attributes fulfil this are ranked.
    pub filter: Option<Filter>,
}

/// A search by words.
#[derive(Debug, Clone, PartialEq)]
pub struct LexicalQuery {
    /// The question as typed; analysed by [`crate::words`].
    pub text: String,
    /// Most hits to return; 0 returns none.
    pub limit: usize,
    /// Only passages whose attributes fulfil this are ranked.
    pub filter: Option<Filter>,
}

/// Which points to delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// All passages of a file, whatever their version.
    File(String),
    /// The passages of a file whose version is below this one: what a newer indexing replaces.
    FileVersionsBelow {
        /// The file's id.
        file: String,
        /// The version that stays.
        version: i64,
    },
    /// These points.
    Points(Vec<Uuid>),
}

/// Passages with vectors, kept apart by tenant and space.
///
/// Every adapter guarantees:
/// - a call sees and changes the given tenant's points only, also when two tenants use equal space and point ids;
/// - what `upsert` and `delete` acknowledged is durable (it survives the end of the process at any moment) and is
///   seen by every later call;
/// - reading a space that does not exist gives nothing, deleting from it changes nothing: a knowledge base without
///   documents needs no special case;
/// - hits of equal score are ordered by point id.
///
/// Dropping a future before it ends may leave its write done or not done, never half of a point.
#[async_trait]
pub trait VectorStore: fmt::Debug + Send + Sync + 'static {
    /// Makes the space if it is not there yet.
    ///
    /// # Errors
    /// [`VectorsError::SpecMismatch`] when it is there and was made for another embedder or length.
    async fn ensure(&self, tenant: &TenantId, space: &SpaceId, spec: &SpaceSpec) -> Result<(), VectorsError>;

    /// Writes or replaces points; durable and searchable when it returns. An empty list changes nothing.
    ///
    /// # Errors
    /// [`VectorsError::NoSpace`] before `ensure`; [`VectorsError::Dimensions`] or [`VectorsError::BadVector`] when one of
    /// the vectors does not fit, and then none of the points is written.
    async fn upsert(&self, tenant: &TenantId, space: &SpaceId, points: Vec<Point>) -> Result<(), VectorsError>;

    /// The points nearest by cosine, best first.
    ///
    /// # Errors
    /// [`VectorsError::Dimensions`] or [`VectorsError::BadVector`] when the question's vector does not fit.
    async fn dense(&self, tenant: &TenantId, space: &SpaceId, query: DenseQuery) -> Result<Vec<Hit>, VectorsError>;

    /// The passages that hold the question's words, by BM25, best first. A question without words finds nothing.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn lexical(&self, tenant: &TenantId, space: &SpaceId, query: LexicalQuery) -> Result<Vec<Hit>, VectorsError>;

    /// The passages of these points in the order asked; unknown ids are left out.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn get(&self, tenant: &TenantId, space: &SpaceId, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError>;

    /// Deletes the selected points; durable when it returns. Deleting what is not there is no error.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn delete(&self, tenant: &TenantId, space: &SpaceId, selector: Selector) -> Result<(), VectorsError>;

    /// Removes the space with all its points. Dropping what is not there is no error.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn drop_space(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError>;

    /// How many points the space holds.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn count(&self, tenant: &TenantId, space: &SpaceId) -> Result<u64, VectorsError>;

    /// What the space was made for; none where there is none.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn spec(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<SpaceSpec>, VectorsError>;

    /// At most `limit` points whose ids are above `after`, ids ascending, with vectors of length 1 or as written; for
    /// moving a space elsewhere. None left is an empty list.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the engine fails.
    async fn page(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Point>, VectorsError>;

    /// Whether the store can serve now; for readiness.
    ///
    /// # Errors
    /// What keeps it from serving.
    async fn check(&self) -> Result<(), VectorsError>;
}
