//! One answer under way, and what is learnt from it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    canary::{Comparison, Verdict},
    clock::now_ms,
    route::{Pick, Place, Route},
};

/// Counts as in flight until it is dropped; dropping it without [`Flight::ended`] or [`Flight::failed`] is a client that
/// left, of which nothing is learnt.
#[derive(Debug)]
pub(crate) struct Flight {
    place: Arc<Place>,
    comparison: Option<Arc<Comparison>>,
    begun: Instant,
    begun_ms: u64,
    on_trial: bool,
    over: bool,
}

impl Flight {
    /// A request of `route` to the target that was picked.
    pub(super) fn begin(route: &Route, pick: Pick) -> Self {
        let Pick { place, on_trial, .. } = pick;
        place.health.in_flight.fetch_add(1, Relaxed);
        place.upstream.enter();
        let comparison = route.comparison.clone();
        Self { place, comparison, begun: Instant::now(), begun_ms: now_ms(), on_trial, over: false }
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// The first piece of an answer is here: the target works.
    pub(super) fn first_piece(&mut self) {
        let (now, took) = (now_ms(), self.begun.elapsed());
        self.place.health.latency.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), now);
        self.place.upstream.meters().first_piece(took);
        self.works(now);
        let verdict = self.comparison.as_ref().and_then(|both| both.answered(self.place.canary, took, now));
        self.tell(verdict);
    }

    /// The target answered with a refusal of its own: it works, but its speed says nothing.
    pub(super) fn refused(&mut self) {
        self.works(now_ms());
        self.over = true;
        self.place.upstream.meters().refused();
    }

    /// The target is busy for so long: it works, but others are better until then.
    pub(super) fn busy(&mut self, wait: Duration) {
        self.over = true;
        self.place.health.rest(wait, now_ms());
        self.place.upstream.meters().refused();
    }

    /// The target sleeps and was woken: nothing that should count against it.
    pub(super) fn asleep(&mut self) {
        self.over = true;
    }

    /// The answer is whole.
    pub(crate) fn ended(mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.place.upstream.meters().ended();
        }
    }

    /// The upstream could not be reached, broke off or stalled.
    pub(crate) fn failed(mut self) {
        self.fails();
    }

    /// The same, where the answer is still needed.
    pub(super) fn fails(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = now_ms();
        self.place.upstream.meters().failed();
        if self.place.health.failed(self.on_trial, now) {
            self.place.upstream.meters().ejected();
            let (upstream, model) = (&self.place.upstream.name, &self.place.name);
            tracing::warn!(upstream.name = %upstream, model.name = %model,
                "model `{model}` on upstream `{upstream}` fails and is left alone for a while");
        }
        let verdict = self.comparison.as_ref().and_then(|both| both.failed(self.place.canary, now));
        self.tell(verdict);
    }

    fn works(&mut self, now: u64) {
        self.place.health.answered(self.begun_ms, now);
        if std::mem::take(&mut self.on_trial) {
            self.place.health.release_trial();
        }
    }

    fn tell(&self, verdict: Option<Verdict>) {
        let (upstream, model) = (&self.place.upstream.name, &self.place.name);
        match verdict {
            Some(Verdict::Errors(canary, stable)) => tracing::warn!(
                upstream.name = %upstream, model.name = %model, canary, stable,
                "the canary `{model}` on `{upstream}` fails more than the others and gets no more requests"
            ),
            Some(Verdict::Latency(canary, stable)) => tracing::warn!(
                upstream.name = %upstream, model.name = %model, canary_us = canary, stable_us = stable,
                "the canary `{model}` on `{upstream}` is slower than the others and gets no more requests"
            ),
            None => {}
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.place.health.in_flight.fetch_sub(1, Relaxed);
        self.place.upstream.leave();
        if self.on_trial {
            self.place.health.release_trial();
        }
        if !self.over {
            self.place.upstream.meters().left();
        }
    }
}
