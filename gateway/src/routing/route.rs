//! One model: its targets, and which of them answers the next request.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use rand::Rng;

use super::{
    Upstream, affinity,
    canary::Comparison,
    config::{ModelConfig, Policy},
    health::{Health, Standing},
};
use crate::answer_cache::Keeping;

/// Targets as bits of a word, in their order.
pub(super) type Mask = u64;

/// A model on an upstream, as one of the targets of a route.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) upstream: Arc<Upstream>,
    /// The model's name over there.
    pub(super) name: String,
    pub(super) weight: u32,
    pub(super) canary: bool,
    pub(super) health: Arc<Health>,
}

/// A name that can be asked for.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) config: ModelConfig,
    pub(super) places: Vec<Arc<Place>>,
    /// Weights and names of the targets inside this process.
    pub(super) local: Vec<(u32, String)>,
    pub(super) comparison: Option<Arc<Comparison>>,
    /// Whether answers are kept.
    pub(super) keeping: Option<Arc<Keeping>>,
}

/// What was chosen.
#[derive(Debug)]
pub(super) struct Pick {
    pub(super) index: usize,
    pub(super) place: Arc<Place>,
    /// Whether this is the one request of a half-open target; it must give that place back.
    pub(super) on_trial: bool,
}

impl Route {
    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn policy(&self) -> Policy {
        self.config.policy
    }

    pub(super) fn prefix_bytes(&self) -> usize {
        self.config.prefix_bytes
    }

    /// The target for a request with this affinity key that has tried `tried` already; none when all were tried or
    /// must not be asked.
    pub(super) fn pick(&self, key: Option<u64>, tried: Mask, now: u64) -> Option<Pick> {
        let mut closed = tried;
        loop {
            let index = self.favourite(key, closed, now)?;
            let place = self.places.get(index)?;
            let on_trial = match place.health.standing(now) {
                Standing::Trial if place.health.claim_trial() => true,
                Standing::Trial => {
                    closed |= bit(index); // another request was faster; this target comes back soon or not
                    continue;
                }
                _ => false,
            };
            return Some(Pick { index, place: place.clone(), on_trial });
        }
    }

    /// What [`Route::pick`] would take, without taking it.
    pub(super) fn favourite(&self, key: Option<u64>, closed: Mask, now: u64) -> Option<usize> {
        let open = self.open(now) & !closed;
        let among = self.share_out(key, open & !self.left_alone(now));
        // Better a target that failed of late than none.
        self.by_policy(key, if among == 0 { open } else { among }, now)
    }

    fn all(&self) -> impl Iterator<Item = (usize, &Place)> {
        self.places.iter().enumerate().map(|(index, place)| (index, &**place))
    }

    /// Targets that may be asked at all.
    fn open(&self, now: u64) -> Mask {
        let rolled_back = self.comparison.as_ref().is_some_and(|both| both.is_rolled_back());
        let open = |place: &Place| {
            let shut = matches!(place.health.standing(now), Standing::Open(_));
            place.weight > 0 && !shut && !(place.canary && rolled_back)
        };
        self.all().filter(|(_, place)| open(place)).fold(0, |mask, (index, _)| mask | bit(index))
    }

    /// Targets that failed of late or say that they are not well: never more than half of all, the first to come back
    /// being counted as well before the others.
    fn left_alone(&self, now: u64) -> Mask {
        let mut out = 0;
        for (index, place) in self.all() {
            if back_at(place, now).is_some() {
                out |= bit(index);
            }
        }
        while out.count_ones() as usize > self.places.len() / 2 {
            let first = self.within(out).min_by_key(|(_, place)| back_at(place, now));
            let Some((index, _)) = first else { break };
            out &= !bit(index);
        }
        out
    }

    /// The canaries or the others: who is on trial gets its share whatever the policy. A key decides for good.
    fn share_out(&self, key: Option<u64>, among: Mask) -> Mask {
        if self.comparison.is_none() {
            return among;
        }
        let canaries = self.all().filter(|(_, place)| place.canary).fold(0, |mask, (index, _)| mask | bit(index));
        let weight = |mask: Mask| self.within(mask).map(|(_, place)| u64::from(place.weight)).sum::<u64>();
        let (trial, stable) = (weight(among & canaries), weight(among & !canaries));
        if trial == 0 || stable == 0 {
            return among;
        }
        let drawn = key.unwrap_or_else(|| rand::rng().random()) % (trial + stable);
        if drawn < trial { among & canaries } else { among & !canaries }
    }

    fn within(&self, mask: Mask) -> impl Iterator<Item = (usize, &Place)> {
        self.all().filter(move |(index, _)| mask & bit(*index) != 0)
    }

    fn by_policy(&self, key: Option<u64>, among: Mask, now: u64) -> Option<usize> {
        if among.count_ones() < 2 {
            return (among != 0).then(|| among.trailing_zeros() as usize);
        }
        match (self.policy(), key) {
            (Policy::Session | Policy::Prefix, Some(key)) => self.bounded(key, among),
            (Policy::LeastInFlight, _) => self.least(among, load),
            (Policy::LowestLatency, _) => {
                self.least(among, |place| place.health.latency.micros(now).max(1) as f64 * load(place))
            }
            _ => self.drawn(among),
        }
    }

    /// At random, by weight.
    fn drawn(&self, among: Mask) -> Option<usize> {
        let total: u64 = self.within(among).map(|(_, place)| u64::from(place.weight)).sum();
        let mut left = rand::rng().random_range(0..total.max(1));
        for (index, place) in self.within(among) {
            match left.checked_sub(u64::from(place.weight)) {
                Some(rest) => left = rest,
                None => return Some(index),
            }
        }
        None
    }

    /// The lowest cost; equal ones in turn, beginning anywhere.
    fn least(&self, among: Mask, cost: impl Fn(&Place) -> f64) -> Option<usize> {
        let start = rand::rng().random_range(0..self.places.len().max(1));
        let turned = self.within(among).map(|(index, place)| {
            let turn = (index + self.places.len() - start) % self.places.len().max(1);
            (index, cost(place), turn)
        });
        let best = turned.min_by(|left, right| left.1.total_cmp(&right.1).then(left.2.cmp(&right.2)));
        best.map(|(index, _, _)| index)
    }

    /// The target that wants the key most, of those that are not too busy for it.
    fn bounded(&self, key: u64, among: Mask) -> Option<usize> {
        let weights: f64 = self.within(among).map(|(_, place)| f64::from(place.weight)).sum();
        let busy: f64 = self.within(among).map(|(_, place)| f64::from(place.upstream.in_flight())).sum();
        let has_room = |place: &Place| {
            let share = (busy + 1.0) * f64::from(place.weight) / weights;
            // One more than the bound: with few requests under way, the next of two equals is not "busier".
            f64::from(place.upstream.in_flight()) < (share * self.config.load_bound).ceil() + 1.0
        };
        let wish = |place: &Place| affinity::wish(key, &place.upstream.name, &place.name, place.weight);
        let best = |room: bool| {
            let wished = self.within(among).filter(|(_, place)| !room || has_room(place));
            wished.map(|(index, place)| (index, wish(place))).max_by(|left, right| left.1.total_cmp(&right.1))
        };
        best(true).or_else(|| best(false)).map(|(index, _)| index)
    }
}

pub(super) fn bit(index: usize) -> Mask {
    1_u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0)
}

/// When a target that is left alone is expected back.
fn back_at(place: &Place, now: u64) -> Option<u64> {
    match place.health.standing(now) {
        Standing::Ejected(until) | Standing::Open(until) => Some(until),
        _ if place.upstream.is_unwell() => Some(u64::MAX),
        _ => place.health.rests_until(now),
    }
}

/// Open requests for its weight. An upstream's, not the model's: they share its processors.
fn load(place: &Place) -> f64 {
    f64::from(place.upstream.in_flight() + 1) / f64::from(place.weight.max(1))
}

impl Place {
    /// Answers under way for this model there.
    pub(super) fn in_flight(&self) -> u32 {
        self.health.in_flight.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
