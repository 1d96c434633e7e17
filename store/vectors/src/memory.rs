//! The in-memory fake: every rule of the trait in the plainest code, for tests of other rooms and as the
//! reference that adapters are compared with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kubemate_identity::TenantId;
use uuid::Uuid;

use crate::analyzer::question_words;
use crate::passage::check_vector;
use crate::{
    DenseQuery, Filter, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorStore, VectorsError,
    bm25,
};

/// A vector store in memory: exact search, gone at the end of the process.
#[derive(Debug, Default)]
pub struct MemoryVectors {
    spaces: Mutex<HashMap<(TenantId, SpaceId), Space>>,
}

#[derive(Debug)]
struct Space {
    spec: SpaceSpec,
    points: BTreeMap<Uuid, Point>,
}

type Spaces = HashMap<(TenantId, SpaceId), Space>;

impl MemoryVectors {
    fn lock(&self) -> MutexGuard<'_, Spaces> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Default>(&self, tenant: &TenantId, space: &SpaceId, work: impl FnOnce(&Space) -> T) -> T {
        self.lock().get(&(tenant.clone(), space.clone())).map(work).unwrap_or_default()
    }
}

impl Space {
    fn matching<'a>(&'a self, filter: Option<&'a Filter>) -> impl Iterator<Item = &'a Point> {
        self.points.values().filter(move |point| filter.is_none_or(|filter| filter.matches(&point.passage.attributes)))
    }

    fn lexical(&self, query: &LexicalQuery) -> Vec<Hit> {
        let documents: Vec<(&Point, Vec<String>)> =
            self.points.values().map(|point| (point, bm25::passage_words(&point.passage))).collect();
        let length = |words: &[String]| words.len() as f32;
        let average = documents.iter().map(|(_, words)| length(words)).sum::<f32>() / documents.len().max(1) as f32;
        let score = |words: &[String], asked: &String| {
            let holding = documents.iter().filter(|(_, other)| other.contains(asked)).count() as f32;
            let times = words.iter().filter(|word| *word == asked).count() as f32;
            let rarity = ((documents.len() as f32 - holding + 0.5) / (holding + 0.5)).ln_1p();
            rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length(words) / average.max(1.0)))
        };
        let asked = question_words(&query.text);
        let kept = |point: &Point| query.filter.as_ref().is_none_or(|filter| filter.matches(&point.passage.attributes));
        let scored = documents.iter().filter(|(point, _)| kept(point));
        let scored = scored.map(|(point, words)| hit(point, asked.iter().map(|asked| score(words, asked)).sum()));
        best(scored.filter(|hit| hit.score > 0.0).collect(), query.limit)
    }
}

#[async_trait]
impl VectorStore for MemoryVectors {
    async fn ensure(&self, tenant: &TenantId, space: &SpaceId, spec: &SpaceSpec) -> Result<(), VectorsError> {
        let mut spaces = self.lock();
        let held = spaces
            .entry((tenant.clone(), space.clone()))
            .or_insert_with(|| Space { spec: spec.clone(), points: BTreeMap::new() });
        if held.spec != *spec {
            return Err(VectorsError::SpecMismatch { found: held.spec.clone(), asked: spec.clone() });
        }
        Ok(())
    }

    async fn upsert(&self, tenant: &TenantId, space: &SpaceId, points: Vec<Point>) -> Result<(), VectorsError> {
        if points.is_empty() {
            return Ok(());
        }
        let mut spaces = self.lock();
        let held = spaces.get_mut(&(tenant.clone(), space.clone())).ok_or(VectorsError::NoSpace)?;
        for point in &points {
            point.check(held.spec.dimensions)?;
        }
        held.points.extend(points.into_iter().map(|point| (point.id, point)));
        Ok(())
    }

    async fn dense(&self, tenant: &TenantId, space: &SpaceId, query: DenseQuery) -> Result<Vec<Hit>, VectorsError> {
        let search = |held: &Space| -> Option<Result<Vec<Hit>, VectorsError>> {
            Some(check_vector(&query.vector, held.spec.dimensions).map(|()| {
                let near =
                    held.matching(query.filter.as_ref()).map(|point| hit(point, cosine(&query.vector, &point.dense)));
                best(near.collect(), query.limit)
            }))
        };
        self.read(tenant, space, search).unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn lexical(&self, tenant: &TenantId, space: &SpaceId, query: LexicalQuery) -> Result<Vec<Hit>, VectorsError> {
        Ok(self.read(tenant, space, |held| held.lexical(&query)))
    }

    async fn get(&self, tenant: &TenantId, space: &SpaceId, ids: &[Uuid]) -> Result<Vec<Passage>, VectorsError> {
        let found =
            |held: &Space| ids.iter().filter_map(|id| held.points.get(id)).map(|point| point.passage.clone()).collect();
        Ok(self.read(tenant, space, found))
    }

    async fn delete(&self, tenant: &TenantId, space: &SpaceId, selector: Selector) -> Result<(), VectorsError> {
        if let Some(held) = self.lock().get_mut(&(tenant.clone(), space.clone())) {
            held.points.retain(|id, point| !selector.selects(id, &point.passage));
        }
        Ok(())
    }

    async fn drop_space(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        self.lock().remove(&(tenant.clone(), space.clone()));
        Ok(())
    }

    async fn count(&self, tenant: &TenantId, space: &SpaceId) -> Result<u64, VectorsError> {
        Ok(self.read(tenant, space, |held| held.points.len() as u64))
    }

    async fn spec(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<SpaceSpec>, VectorsError> {
        Ok(self.read(tenant, space, |held| Some(held.spec.clone())))
    }

    async fn page(
        &self,
        tenant: &TenantId,
        space: &SpaceId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Point>, VectorsError> {
        let above = |id: &Uuid| after.is_none_or(|after| *id > after);
        let page = |held: &Space| held.points.values().filter(|point| above(&point.id)).take(limit).cloned().collect();
        Ok(self.read(tenant, space, page))
    }

    async fn check(&self) -> Result<(), VectorsError> {
        Ok(())
    }
}

impl Selector {
    fn selects(&self, id: &Uuid, passage: &Passage) -> bool {
        match self {
            Self::File(file) => passage.file == *file,
            Self::FileVersionsBelow { file, version } => passage.file == *file && passage.version < *version,
            Self::Points(ids) => ids.contains(id),
        }
    }
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    (dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()) as f32
}

fn hit(point: &Point, score: f32) -> Hit {
    Hit { id: point.id, score, passage: point.passage.clone() }
}

/// The best `limit` hits, best first, equal scores by id.
fn best(mut hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    hits.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.id.cmp(&right.id)));
    hits.truncate(limit);
    hits
}
