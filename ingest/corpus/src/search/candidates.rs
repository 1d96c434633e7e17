//! From the hits of all arms to the passages that are returned.

use std::collections::HashMap;

use kubemate_vectors::{Hit, Passage};
use uuid::Uuid;

use super::arms::Arms;
use super::{Found, SearchRequest};
use crate::fusion::{Scored, fuse};
use crate::relevance::{Asked, RelevanceConfig};

/// Share of the shorter of two passages of one file that both hold, from which the second one says nothing new.
const OVERLAP: f64 = 0.5;

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    known: HashMap<Uuid, Candidate>,
    /// Best fused score of each passage over all queries, best first.
    order: Vec<Scored<Uuid>>,
}

#[derive(Debug)]
struct Candidate {
    store: String,
    model: String,
    passage: Passage,
    /// The best cosine over all queries, with the query it is for.
    cosine: f32,
    query: String,
}

impl Candidates {
    /// Fuses the hits of one query and keeps each passage's best place. `weight` is that of the words beside the vectors of
    /// a model; where it is 0 or 1, what only the other arm has found is left out.
    pub(super) fn add(&mut self, arms: Vec<Arms>, weight: impl Fn(&str) -> f32) {
        let mut lists: Vec<(f32, Vec<Scored<Uuid>>)> = Vec::new();
        let mut models: Vec<String> = Vec::new();
        let mut lexical = Vec::new();
        let lexical_weight = arms.iter().map(|arms| weight(&arms.model)).sum::<f32>() / arms.len().max(1) as f32;
        for arms in arms {
            // Cosines of one model compare across knowledge bases; those of two models do not.
            let at = models.iter().position(|model| *model == arms.model).unwrap_or_else(|| {
                models.push(arms.model.clone());
                lists.push((1.0 - weight(&arms.model), Vec::new()));
                models.len() - 1
            });
            if let Some((_, list)) = lists.get_mut(at) {
                list.extend(arms.dense.iter().map(scored));
            }
            lexical.extend(arms.lexical.iter().map(scored));
            self.remember(arms);
        }
        lists.push((lexical_weight, lexical));
        lists.retain(|(weight, _)| *weight > 0.0);
        self.merge(fuse(&lists));
    }

    fn remember(&mut self, arms: Arms) {
        // A passage that only its words found is at most as near as the farthest that was found by meaning.
        let farthest = arms.dense.iter().map(|hit| hit.score).fold(f32::INFINITY, f32::min);
        let farthest = if farthest.is_finite() { farthest } else { 0.0 };
        let dense = arms.dense.into_iter().map(|hit| (hit.score, hit));
        for (cosine, hit) in dense.chain(arms.lexical.into_iter().map(|hit| (farthest, hit))) {
            let (store, model, query) = (arms.store.clone(), arms.model.clone(), arms.query.clone());
            let new = Candidate { store, model, passage: hit.passage, cosine, query };
            match self.known.get(&hit.id) {
                Some(known) if known.cosine >= cosine => {}
                _ => drop(self.known.insert(hit.id, new)),
            }
        }
    }

    fn merge(&mut self, fused: Vec<Scored<Uuid>>) {
        for hit in fused {
            match self.order.iter_mut().find(|known| known.key == hit.key) {
                Some(known) => known.score = known.score.max(hit.score),
                None => self.order.push(hit),
            }
        }
        self.order.sort_by(|left, right| right.score.total_cmp(&left.score));
    }

    /// The texts of the first candidates, for a reranker.
    pub(super) fn best_texts(&self, count: usize) -> Vec<String> {
        let known = self.order.iter().take(count).filter_map(|hit| self.known.get(&hit.key));
        known.map(|candidate| candidate.passage.text.clone()).collect()
    }

    /// Puts the first candidates into the order of a reranker's scores, beside which the order they had still counts;
    /// the others stay behind them.
    pub(super) fn reorder(&mut self, scores: &[f32], weight: f32) {
        let first = || self.order.iter().zip(scores);
        let new = first().map(|(hit, score)| Scored { key: hit.key, score: *score }).collect();
        let old = first().map(|(hit, _)| *hit).collect();
        let reranked = fuse(&[(weight, new), (1.0 - weight, old)]);
        let below = 0.5; // behind all reranked ones, which take the upper half
        let upper = reranked.iter().map(|hit| Scored { key: hit.key, score: below + hit.score * (1.0 - below) });
        let lower = self.order.iter().skip(reranked.len());
        let lower = lower.map(|hit| Scored { key: hit.key, score: hit.score * below });
        self.order = upper.chain(lower).collect();
    }

    /// The passages to return: no two that overlap, scored by the evidence, at most as many as asked for.
    pub(super) fn finish(self, request: &SearchRequest, relevance: &RelevanceConfig) -> Vec<Found> {
        let top = self.order.first().map_or(1.0, |hit| hit.score.max(f32::EPSILON));
        let mut found: Vec<Found> = Vec::new();
        let mut known = self.known;
        for hit in self.order {
            if found.len() >= request.limit {
                break;
            }
            let Some(candidate) = known.remove(&hit.key) else { continue };
            if !found.iter().any(|better| overlap(better, &candidate)) {
                found.push(candidate.found(hit.score / top, relevance));
            }
        }
        let sure = found.iter().map(|found| found.evidence).fold(0.0, f32::max);
        found.iter_mut().for_each(|found| found.score = (found.score * sure).clamp(0.0, 1.0));
        let least = request.score_threshold.unwrap_or_default();
        found.retain(|found| found.score >= least);
        found
    }
}

impl Candidate {
    fn found(self, score: f32, relevance: &RelevanceConfig) -> Found {
        let asked = Asked::new(&self.query);
        let coverage = asked.coverage(&self.passage);
        let evidence = relevance.calibration(&self.model).evidence(asked.language(), self.cosine, coverage);
        let (file, filename) = (self.passage.file.clone(), self.passage.filename.clone());
        Found { store: self.store, file, filename, score, evidence, passage: self.passage }
    }
}

fn overlap(better: &Found, candidate: &Candidate) -> bool {
    let (one, other) = (&better.passage, &candidate.passage);
    let shared = one.end.min(other.end).saturating_sub(one.start.max(other.start));
    let shorter = (one.end - one.start).min(other.end - other.start).max(1);
    better.store == candidate.store && one.file == other.file && shared as f64 / shorter as f64 > OVERLAP
}

fn scored(hit: &Hit) -> Scored<Uuid> {
    Scored { key: hit.id, score: hit.score }
}
