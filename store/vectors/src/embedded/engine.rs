//! The engine's calls, with what it reports by panicking turned into errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeSparseVectorParams,
    EdgeVectorParams, FieldIndexOperations, HnswIndexConfig, JsonPath, Modifier, NamedQuery, NamedVectors,
    OperationResult, PayloadFieldSchema, PayloadSchemaType, PointId, PointInsertOperations, PointOperations,
    PointStruct, PointStructPersisted, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery, ScrollRequest, SearchParams,
    UpdateOperation, Vector, VectorInternal, VectorStructInternal, Vectors, WalOptions, WithPayloadInterface,
    WithVector,
};
use uuid::Uuid;

use super::spaces::Root;
use super::{log, payload};
use crate::bm25::{self, Terms};
use crate::{Filter, Hit, Passage, Point, Selector, VectorsError};

/// Name of the embeddings.
const DENSE: &str = "dense";
/// Name of the term weights.
const WORDS: &str = "words";
/// Segments a space is kept in: one written to, the others under a graph and merged as they come.
const SEGMENTS: usize = 4;
/// Points looked at on the way through a graph. With it the true ten nearest are found in 99 of 100 cases.
const SEARCH_BREADTH: usize = 128;
/// Points read at once when all of them are gone through.
const PAGE: usize = 512;
/// Ids read at once, without what belongs to them.
const PAGE_OF_IDS: usize = 16_384;

/// An open shard of the engine. Calls block.
#[derive(Debug)]
pub(super) struct Engine {
    /// Empty only while it is being dropped.
    shard: Option<EdgeShard>,
}

impl Engine {
    /// Makes a new shard in an empty folder.
    pub(super) fn create(folder: &Path, dimensions: usize, root: &Root) -> Result<Self, VectorsError> {
        let shard = guarded("made a space", || EdgeShard::new(folder, config(dimensions, root)))?;
        let engine = Self { shard: Some(shard) };
        for (field, kind) in payload::indexed_fields() {
            engine.index(field, kind)?;
        }
        engine.flush()?;
        Ok(engine)
    }

    /// Opens the shard of a folder.
    pub(super) fn open(folder: &Path, dimensions: usize, root: &Root) -> Result<Self, VectorsError> {
        log::prune(folder).map_err(|error| super::disk::failed("cut the log of a space", error))?;
        let shard = guarded("opened a space", || EdgeShard::load(folder, Some(config(dimensions, root))))?;
        Ok(Self { shard: Some(shard) })
    }

    pub(super) fn upsert(&self, points: &[Point]) -> Result<(), VectorsError> {
        let points = points.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        self.update(PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)))
    }

    pub(super) fn delete(&self, selector: &Selector) -> Result<(), VectorsError> {
        self.update(match selector {
            Selector::File(file) => PointOperations::DeletePointsByFilter(payload::of_file(file, None)),
            Selector::FileVersionsBelow { file, version } => {
                PointOperations::DeletePointsByFilter(payload::of_file(file, Some(*version)))
            }
            Selector::Points(ids) => {
                PointOperations::DeletePoints { ids: ids.iter().copied().map(PointId::Uuid).collect() }
            }
        })
    }

    /// Puts an attribute that is a number under an index, so that it can be compared by size quickly.
    pub(super) fn index_number(&self, attribute: &str) -> Result<(), VectorsError> {
        self.index(payload::number_field(attribute), PayloadSchemaType::Float)
    }

    pub(super) fn dense(
        &self,
        vector: Vec<f32>,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, VectorsError> {
        self.nearest(VectorInternal::Dense(vector), DENSE, limit, filter)
    }

    pub(super) fn lexical(
        &self,
        terms: Terms,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, VectorsError> {
        let Vector(weights) = sparse(terms)?;
        self.nearest(weights, WORDS, limit, filter)
    }

    pub(super) fn get(&self, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError> {
        let ids: Vec<PointId> = ids.iter().copied().map(PointId::Uuid).collect();
        let with_payload = Some(WithPayloadInterface::Bool(true));
        let records = self.with("read passages", |shard| shard.retrieve(&ids, with_payload, None))?;
        records.into_iter().filter_map(|record| record.payload).map(|fields| payload::to_passage(fields.0)).collect()
    }

    /// Points above an id, ids ascending, with their vectors.
    pub(super) fn page(&self, after: Option<Uuid>, limit: usize) -> Result<Vec<Point>, VectorsError> {
        let offset = match after.map(|after| after.as_u128().checked_add(1)) {
            Some(None) => return Ok(Vec::new()),
            Some(Some(next)) => Some(PointId::Uuid(Uuid::from_u128(next))),
            None => None,
        };
        let (with_payload, with_vector) = (Some(WithPayloadInterface::Bool(true)), WithVector::Bool(true));
        let page = ScrollRequest { offset, limit: Some(limit), with_payload, with_vector, ..ScrollRequest::default() };
        let (records, _) = self.with("listed points", |shard| shard.scroll(page))?;
        let mut points = Vec::new();
        for record in records {
            let (PointId::Uuid(id), Some(fields), Some(vectors)) = (record.id, record.payload, record.vector) else {
                continue;
            };
            let VectorStructInternal::Named(mut vectors) = vectors else { continue };
            let Some(VectorInternal::Dense(dense)) = vectors.remove(DENSE) else { continue };
            points.push(Point { id, dense, passage: payload::to_passage(fields.0)? });
        }
        // While the engine indexes, a point may be there twice.
        points.dedup_by_key(|point| point.id);
        Ok(points)
    }

    /// How many points there are. The engine's own count takes a point twice while a segment that holds it is being put
    /// in the place of another.
    pub(super) fn count(&self) -> Result<usize, VectorsError> {
        Ok(self.ids()?.len())
    }

    /// About how many points there are; cheap.
    pub(super) fn about(&self) -> Result<usize, VectorsError> {
        self.with("counted", |shard| Ok(shard.info().points_count))
    }

    /// Writes everything to the engine's files.
    pub(super) fn flush(&self) -> Result<(), VectorsError> {
        self.with("flushed a space", |shard| {
            shard.flush();
            Ok(())
        })
    }

    /// Puts vectors under a graph where there are many, merges segments and gives back the room of deleted points.
    /// Long; searches and writes go on meanwhile.
    pub(super) fn optimize(&self) -> Result<bool, VectorsError> {
        self.with("indexed a space", EdgeShard::optimize)
    }

    /// Makes every point one again, after a process ended between the engine's putting a new segment in place and taking
    /// the segments away that it was made of.
    pub(super) fn repair(&self) -> Result<(), VectorsError> {
        let ids = self.ids()?;
        let copies = self.with("counted", |shard| shard.count(CountRequest { filter: None, exact: true }))?;
        if copies == ids.len() {
            return Ok(());
        }
        tracing::warn!(points = ids.len(), "indexing was cut off, points are written again");
        for page in ids.chunks(PAGE) {
            let both = (Some(WithPayloadInterface::Bool(true)), Some(WithVector::Bool(true)));
            let records = self.with("read points", |shard| shard.retrieve(page, both.0, both.1))?;
            let points = records.into_iter().filter_map(|record| {
                let vector = Vectors::from(record.vector?);
                Some(PointStructPersisted { id: record.id, vector: vector.0.into(), payload: record.payload })
            });
            let points = PointInsertOperations::PointsList(points.collect());
            self.update(PointOperations::UpsertPoints(points))?;
        }
        self.flush()
    }

    fn ids(&self) -> Result<Vec<PointId>, VectorsError> {
        let mut ids = Vec::new();
        let mut offset = None;
        loop {
            let with_payload = Some(WithPayloadInterface::Bool(false));
            let page = ScrollRequest { offset, limit: Some(PAGE_OF_IDS), with_payload, ..ScrollRequest::default() };
            let (records, next) = self.with("listed points", |shard| shard.scroll(page))?;
            ids.extend(records.into_iter().map(|record| record.id));
            if next.is_none() {
                return Ok(ids);
            }
            offset = next;
        }
    }

    fn nearest(
        &self,
        query: VectorInternal,
        using: &str,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, VectorsError> {
        // The engine makes room for `limit` hits before it looks.
        let limit = limit.min(self.about()?);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = QueryEnum::Nearest(NamedQuery { query, using: Some(using.into()) });
        let request = QueryRequest {
            prefetches: Vec::new(),
            query: Some(ScoringQuery::Vector(query)),
            filter: filter.map(payload::filter),
            score_threshold: None,
            limit,
            offset: 0,
            params: Some(SearchParams { hnsw_ef: Some(SEARCH_BREADTH), ..SearchParams::default() }),
            with_vector: WithVector::Bool(false),
            with_payload: WithPayloadInterface::Bool(true),
        };
        let found = self.with("searched", |shard| shard.query(request))?;
        let mut hits = found.into_iter().filter_map(hit).collect::<Result<Vec<_>, _>>()?;
        hits.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.id.cmp(&right.id)));
        Ok(hits)
    }

    fn index(&self, field_name: JsonPath, kind: PayloadSchemaType) -> Result<(), VectorsError> {
        let field_schema = Some(PayloadFieldSchema::FieldType(kind));
        let create = FieldIndexOperations::CreateIndex(CreateIndex { field_name, field_schema });
        self.with("indexed a field", |shard| shard.update(UpdateOperation::FieldIndexOperation(create)))
    }

    fn update(&self, operation: PointOperations) -> Result<(), VectorsError> {
        self.with("wrote", |shard| shard.update(UpdateOperation::PointOperation(operation)))
    }

    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&EdgeShard) -> OperationResult<T>,
    ) -> Result<T, VectorsError> {
        match &self.shard {
            Some(shard) => guarded(doing, || work(shard)),
            None => Err(VectorsError::store(doing, "the space is being closed")),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The engine flushes when it is dropped and panics when that fails, as it must when the space was dropped.
        let shard = self.shard.take();
        if let Err(error) = guarded("closed a space", || {
            drop(shard);
            Ok(())
        }) {
            tracing::debug!(%error, "the engine could not flush at its end; the journal has what it lacks");
        }
    }
}

fn config(dimensions: usize, root: &Root) -> EdgeConfig {
    let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    EdgeConfig {
        on_disk_payload: true,
        vectors: [(DENSE.into(), EdgeVectorParams::builder(dimensions, Distance::Cosine).build())].into(),
        sparse_vectors: [(WORDS.into(), EdgeSparseVectorParams::builder().modifier(Modifier::Idf).build())].into(),
        // Half of the cores: a graph is built beside chats.
        hnsw_config: HnswIndexConfig { max_indexing_threads: threads, ..HnswIndexConfig::default() },
        optimizers: EdgeOptimizersConfig {
            default_segment_number: Some(SEGMENTS),
            indexing_threshold: Some(root.graph_from_kib),
            ..EdgeOptimizersConfig::default()
        },
        wal_options: Some(WalOptions { segment_capacity: log::FILE_BYTES, ..WalOptions::default() }),
        ..EdgeConfig::default()
    }
}

fn stored(point: &Point) -> Result<PointStructPersisted, VectorsError> {
    let vectors = NamedVectors::default()
        .add_vector(DENSE, point.dense.clone())
        .add_vector(WORDS, sparse(bm25::document(&point.passage))?);
    Ok(PointStruct::new(PointId::Uuid(point.id), vectors, payload::of_passage(&point.passage)?).into())
}

fn sparse(terms: Terms) -> Result<Vector, VectorsError> {
    Vector::new_sparse(terms.ids, terms.weights).map_err(|error| VectorsError::store("weighed words", error))
}

fn hit(found: ScoredPoint) -> Option<Result<Hit, VectorsError>> {
    let PointId::Uuid(id) = found.id else { return None };
    let fields = found.payload?.0;
    Some(payload::to_passage(fields).map(|passage| Hit { id, score: found.score, passage }))
}

/// Runs a call of the engine; a panic of its is an error like any other.
fn guarded<T>(doing: &'static str, work: impl FnOnce() -> OperationResult<T>) -> Result<T, VectorsError> {
    let result = catch_unwind(AssertUnwindSafe(work));
    let cause = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => said(&*panic),
    };
    let full = std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()).to_string();
    if cause.contains(&full) { Err(VectorsError::DiskFull) } else { Err(VectorsError::store(doing, cause)) }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the engine stopped").to_owned()
}
