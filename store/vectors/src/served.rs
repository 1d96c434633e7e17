//! What served stores have in common: who owns a space, what it was made for, and that nothing of another tenant leaves.
//!
//! A server holds few large collections (here: shelves), one for each embedder, and the points of all tenants and spaces
//! in them: thousands of small knowledge bases cost it nothing. Which spaces there are and what they were made for
//! stands in a register on the same server, so that every process sees the same. [`Served`] keeps the promises of
//! [`VectorStore`] over a [`Server`], which only reads and writes.

mod register;

use async_trait::async_trait;
use kubemate_identity::TenantId;
use uuid::Uuid;

use self::register::Known;
use crate::attributes::fingerprint;
use crate::passage::check_vector;
use crate::{
    DenseQuery, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorStore, VectorsError, bm25,
};

/// Version of the fields of a shelf; another set of fields is another shelf beside the old.
pub(crate) const LAYOUT: u32 = 1;
/// Points written in one request. At 384 dimensions and 2 KB of text about 1 MB.
const WRITE: usize = 256;
/// Points asked for by id in one request.
pub(crate) const READ: usize = 512;

/// What the register says of a space.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    /// What the space was made for.
    pub(crate) spec: SpaceSpec,
    /// The collection that holds its points.
    pub(crate) shelf: String,
}

/// A space and the shelf of its points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) space: &'a SpaceId,
    pub(crate) entry: &'a Entry,
}

/// A point as the server gave it, with whose it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Owned<T> {
    pub(crate) tenant: String,
    pub(crate) space: String,
    pub(crate) item: T,
}

/// A vector database behind the network. Every call is bounded in time; reads see every acknowledged write.
#[async_trait]
pub(crate) trait Server: std::fmt::Debug + Send + Sync + 'static {
    /// The shelf for vectors of this kind, made when it is not there.
    async fn shelf(&self, spec: &SpaceSpec) -> Result<String, VectorsError>;
    /// What the register says of the space.
    async fn entry(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<Entry>, VectorsError>;
    /// Puts the space into the register.
    async fn enter(&self, tenant: &TenantId, space: &SpaceId, entry: &Entry) -> Result<(), VectorsError>;
    /// Takes the space out of the register.
    async fn strike(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError>;
    /// Writes or replaces at most [`WRITE`] points.
    async fn write(&self, place: Place<'_>, points: &[Point]) -> Result<(), VectorsError>;
    /// The nearest points, in any order.
    async fn dense(&self, place: Place<'_>, query: DenseQuery) -> Result<Vec<Owned<Hit>>, VectorsError>;
    /// The points that hold the words, in any order.
    async fn lexical(&self, place: Place<'_>, query: LexicalQuery) -> Result<Vec<Owned<Hit>>, VectorsError>;
    /// At most [`READ`] points by id, in any order.
    async fn get(&self, place: Place<'_>, ids: &[Uuid]) -> Result<Vec<Owned<(Uuid, Passage)>>, VectorsError>;
    /// Points with an id above this one, ascending.
    async fn page(
        &self,
        place: Place<'_>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Owned<Point>>, VectorsError>;
    /// Deletes the selected points.
    async fn delete(&self, place: Place<'_>, selector: &Selector) -> Result<(), VectorsError>;
    /// Deletes all points of the space.
    async fn clear(&self, place: Place<'_>) -> Result<(), VectorsError>;
    /// How many points the space holds.
    async fn count(&self, place: Place<'_>) -> Result<u64, VectorsError>;
    /// Whether the server answers.
    async fn check(&self) -> Result<(), VectorsError>;
}

/// A [`VectorStore`] on a server.
#[derive(Debug)]
pub(crate) struct Served<S> {
    server: S,
    known: Known,
}

impl<S: Server> Served<S> {
    pub(crate) fn new(server: S) -> Self {
        Self { server, known: Known::default() }
    }

    /// The space's entry, as last seen: for reading.
    async fn find(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<Entry>, VectorsError> {
        match self.known.get(tenant, space) {
            Some(entry) => Ok(Some(entry)),
            None => self.look(tenant, space).await,
        }
    }

    /// The space's entry as the register has it now: for writing.
    async fn look(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<Entry>, VectorsError> {
        let entry = self.server.entry(tenant, space).await?;
        self.known.set(tenant, space, entry.clone());
        Ok(entry)
    }
}

/// Only what belongs to the place. A server that gives more is broken, and that is no reason to show it to anybody.
fn own<T>(place: Place<'_>, found: Vec<Owned<T>>) -> Vec<T> {
    let all = found.len();
    let is_own = |one: &Owned<T>| one.tenant == place.tenant.as_str() && one.space == place.space.as_str();
    let kept: Vec<T> = found.into_iter().filter(is_own).map(|one| one.item).collect();
    if kept.len() < all {
        tracing::error!(foreign = all - kept.len(), "the vector database returned points of another space; left out");
    }
    kept
}

fn sorted(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.id.cmp(&right.id)));
    hits
}

#[async_trait]
impl<S: Server> VectorStore for Served<S> {
    async fn ensure(&self, tenant: &TenantId, space: &SpaceId, spec: &SpaceSpec) -> Result<(), VectorsError> {
        let found = match self.look(tenant, space).await? {
            Some(entry) => entry,
            None => {
                let entry = Entry { spec: spec.clone(), shelf: self.server.shelf(spec).await? };
                self.server.enter(tenant, space, &entry).await?;
                // Another process may have been faster, with another embedder.
                self.look(tenant, space).await?.unwrap_or(entry)
            }
        };
        if found.spec != *spec {
            return Err(VectorsError::SpecMismatch { found: found.spec, asked: spec.clone() });
        }
        Ok(())
    }

    async fn upsert(&self, tenant: &TenantId, space: &SpaceId, points: Vec<Point>) -> Result<(), VectorsError> {
        if points.is_empty() {
            return Ok(());
        }
        let entry = self.look(tenant, space).await?.ok_or(VectorsError::NoSpace)?;
        points.iter().try_for_each(|point| point.check(entry.spec.dimensions))?;
        for batch in points.chunks(WRITE) {
            self.server.write(Place { tenant, space, entry: &entry }, batch).await?;
        }
        Ok(())
    }

    async fn dense(&self, tenant: &TenantId, space: &SpaceId, query: DenseQuery) -> Result<Vec<Hit>, VectorsError> {
        let Some(entry) = self.find(tenant, space).await? else { return Ok(Vec::new()) };
        check_vector(&query.vector, entry.spec.dimensions)?;
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let place = Place { tenant, space, entry: &entry };
        Ok(sorted(own(place, self.server.dense(place, query).await?)))
    }

    async fn lexical(&self, tenant: &TenantId, space: &SpaceId, query: LexicalQuery) -> Result<Vec<Hit>, VectorsError> {
        let Some(entry) = self.find(tenant, space).await? else { return Ok(Vec::new()) };
        if query.limit == 0 || bm25::question(&query.text).ids.is_empty() {
            return Ok(Vec::new());
        }
        let place = Place { tenant, space, entry: &entry };
        Ok(sorted(own(place, self.server.lexical(place, query).await?)))
    }

    async fn get(&self, tenant: &TenantId, space: &SpaceId, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError> {
        let Some(entry) = self.find(tenant, space).await? else { return Ok(Vec::new()) };
        let place = Place { tenant, space, entry: &entry };
        let mut found = std::collections::HashMap::new();
        for batch in ids.chunks(READ) {
            found.extend(own(place, self.server.get(place, batch).await?));
        }
        let mut asked = std::collections::HashSet::new();
        Ok(ids.iter().filter(|id| asked.insert(**id)).filter_map(|id| found.remove(id)).collect())
    }

    async fn delete(&self, tenant: &TenantId, space: &SpaceId, selector: Selector) -> Result<(), VectorsError> {
        match self.look(tenant, space).await? {
            Some(entry) => self.server.delete(Place { tenant, space, entry: &entry }, &selector).await,
            None => Ok(()),
        }
    }

    async fn drop_space(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        let Some(entry) = self.look(tenant, space).await? else { return Ok(()) };
        // The entry goes last: as long as it is there, a drop that was cut off can be repeated.
        self.server.clear(Place { tenant, space, entry: &entry }).await?;
        self.server.strike(tenant, space).await?;
        self.known.set(tenant, space, None);
        Ok(())
    }

    async fn count(&self, tenant: &TenantId, space: &SpaceId) -> Result<u64, VectorsError> {
        match self.look(tenant, space).await? {
            Some(entry) => self.server.count(Place { tenant, space, entry: &entry }).await,
            None => Ok(0),
        }
    }

    async fn spec(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<SpaceSpec>, VectorsError> {
        Ok(self.look(tenant, space).await?.map(|entry| entry.spec))
    }

    async fn page(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Point>, VectorsError> {
        let Some(entry) = self.find(tenant, space).await? else { return Ok(Vec::new()) };
        let place = Place { tenant, space, entry: &entry };
        Ok(own(place, self.server.page(place, after, limit.clamp(1, READ)).await?))
    }

    async fn check(&self) -> Result<(), VectorsError> {
        self.server.check().await
    }
}

/// The name of the shelf for vectors of this kind: `kubemate_v1_384_1f0c…`.
pub(crate) fn shelf_name(prefix: &str, spec: &SpaceSpec) -> String {
    let embedder: String = fingerprint(&spec.embedder).chars().take(12).collect();
    format!("{prefix}_v{LAYOUT}_{}_{embedder}", spec.dimensions)
}

/// The name of the register.
pub(crate) fn register_name(prefix: &str) -> String {
    format!("{prefix}_v{LAYOUT}_spaces")
}
