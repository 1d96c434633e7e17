//! Putting the hits of two searches into one order.

use std::collections::HashMap;
use std::hash::Hash;

/// One hit of one arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored<K> {
    pub(crate) key: K,
    pub(crate) score: f32,
}

/// Orders the hits of all arms by the weighted sum of their scores, each arm scaled to 0..1 over its own list.
///
/// Cosines and BM25 scores have no common unit, but within one query each list has a best and a worst hit; what an arm
/// does not list counts as its worst. The result is between 0 and 1 when the weights add up to 1. Equal sums keep the
/// order in which the keys were first seen.
pub(crate) fn fuse<K: Copy + Eq + Hash>(arms: &[(f32, Vec<Scored<K>>)]) -> Vec<Scored<K>> {
    let mut sums: HashMap<K, f32> = HashMap::new();
    let mut order: Vec<K> = Vec::new();
    for (weight, hits) in arms {
        let (low, high) = bounds(hits);
        for hit in hits {
            let sum = sums.entry(hit.key).or_insert_with(|| {
                order.push(hit.key);
                0.0
            });
            *sum += weight * scaled(hit.score, low, high);
        }
    }
    let sum = |key: K| Scored { key, score: sums.get(&key).copied().unwrap_or_default() };
    let mut fused: Vec<Scored<K>> = order.into_iter().map(sum).collect();
    fused.sort_by(|left, right| right.score.total_cmp(&left.score));
    fused
}

fn bounds<K>(hits: &[Scored<K>]) -> (f32, f32) {
    let wider = |(low, high): (f32, f32), hit: &Scored<K>| (low.min(hit.score), high.max(hit.score));
    hits.iter().fold((f32::INFINITY, f32::NEG_INFINITY), wider)
}

/// Place of a score between the bounds; 1 where the list has one score only, since its hits are its best.
fn scaled(score: f32, low: f32, high: f32) -> f32 {
    let span = high - low;
    if span > f32::EPSILON { ((score - low) / span).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hits(scores: &[(u8, f32)]) -> Vec<Scored<u8>> {
        scores.iter().map(|(key, score)| Scored { key: *key, score: *score }).collect()
    }

    #[test]
    fn each_arm_counts_by_its_weight_whatever_its_unit() {
        let dense = hits(&[(1, 0.90), (2, 0.85), (3, 0.80)]);
        let lexical = hits(&[(3, 30.0), (2, 15.0), (4, 0.5)]);
        let fused = fuse(&[(0.8, dense), (0.2, lexical)]);
        let order: Vec<u8> = fused.iter().map(|hit| hit.key).collect();
        assert_eq!(order, [1, 2, 3, 4]);
        assert!((fused[1].score - (0.4 + 0.2 * 14.5 / 29.5)).abs() < 1e-6);
    }

    #[test]
    fn a_single_hit_is_the_best_of_its_arm() {
        assert_eq!(fuse(&[(0.8, hits(&[(1, 0.1)])), (0.2, Vec::new())]), hits(&[(1, 0.8)]));
        assert_eq!(fuse::<u8>(&[]), []);
    }

    proptest! {
        #[test]
        fn sums_are_between_0_and_1_and_no_hit_is_lost(
            dense in prop::collection::btree_map(0u8..40, -1.0f32..1.0, 0..20),
            lexical in prop::collection::btree_map(0u8..40, 0.0f32..50.0, 0..20), weight in 0.0f32..1.0,
        ) {
            let list = |map: &std::collections::BTreeMap<u8, f32>| hits(&map.iter().map(|(key, score)| (*key, *score)).collect::<Vec<_>>());
            let fused = fuse(&[(1.0 - weight, list(&dense)), (weight, list(&lexical))]);
            let keys: std::collections::BTreeSet<u8> = fused.iter().map(|hit| hit.key).collect();
            let all: std::collections::BTreeSet<u8> = dense.keys().chain(lexical.keys()).copied().collect();
            prop_assert_eq!(keys, all);
            prop_assert!(fused.iter().all(|hit| (-1e-6..=1.0 + 1e-5).contains(&hit.score)));
            prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
        }
    }
}
