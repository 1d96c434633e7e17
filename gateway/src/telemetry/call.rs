//! One call to a model, observed from its target to its end.

use std::{sync::Arc, time::Duration, time::Instant};

use kubemate_ledger::UsageRow;

use super::{
    request::{Request, current},
    series::{self, CallSeries, micros},
};
use crate::models::Target;

/// Who answers when the call never came to a target.
const NOBODY: &str = "none";

/// A target and why it was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    /// The upstream's configured name; `local` for this process.
    pub(crate) upstream: &'a str,
    /// The model's name over there.
    pub(crate) model: &'a str,
    /// In a word: `only`, `weight`, `least_in_flight`, `fallback` …
    pub(crate) why: &'static str,
}

impl<'a> Chosen<'a> {
    /// `target`, chosen for this reason.
    pub(crate) fn of(target: &'a Target, why: &'static str) -> Self {
        match target {
            Target::Local(name) => Self { upstream: "local", model: name, why },
            Target::Remote(upstream, name) => Self { upstream: &upstream.name, model: name, why },
        }
    }
}

/// A call under way. Its owner settles it; dropped without that, it counts as nothing.
#[derive(Debug)]
pub(crate) struct Call {
    request: Option<Arc<Request>>,
    begun: Instant,
    target: Option<Answering>,
    first: Option<Duration>,
}

/// Who answers.
#[derive(Debug)]
struct Answering {
    upstream: Box<str>,
    series: Arc<CallSeries>,
}

impl Call {
    /// A call of the request that this code runs for.
    pub(crate) fn begin() -> Self {
        Self { request: current(), begun: Instant::now(), target: None, first: None }
    }

    /// Who shall answer `model`; told again when another one is tried.
    pub(crate) fn routed(&mut self, model: &str, chosen: Chosen<'_>) {
        let series = series::calls(model, chosen.upstream);
        if let Some(request) = &self.request {
            request.counted_as(&series);
        }
        series.in_flight.increment(1.0);
        self.target = Some(Answering { upstream: chosen.upstream.into(), series });
    }

    /// The first piece of the answer is on its way; later calls do nothing.
    pub(crate) fn first_token(&mut self) {
        if self.first.is_none() {
            let spent = self.elapsed();
            self.first = Some(spent);
            if let Some(target) = &self.target {
                target.series.first_token.record(micros(spent));
            }
        }
    }

    /// Since the request arrived.
    fn elapsed(&self) -> Duration {
        self.request.as_ref().map_or_else(|| self.begun.elapsed(), |request| request.elapsed())
    }

    /// It is over, and this is what it came to.
    pub(crate) fn settle(&mut self, row: &UsageRow) {
        let upstream = self.target.as_ref().map_or(NOBODY, |target| &*target.upstream);
        let tokens = [row.prompt_tokens, row.completion_tokens].map(i64::unsigned_abs);
        series::settled(&row.model, upstream, row.status.unsigned_abs(), self.elapsed(), tokens);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.series.in_flight.decrement(1.0);
    }
}
