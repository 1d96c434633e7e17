//! Answers that were given before: exact, tenant by tenant, for streams and plain answers alike.
//!
//! The order of a call is: [`AnswerCache::lookup`]; then what it says. A [`Recorder`] writes the answer down while it
//! passes. While equal questions are under way only one of them goes to the model.

mod canonical;
mod flights;
mod keeping;
mod policy;
mod recorder;
mod shapes;
mod stored;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use kubemate_cache::{Cache, CacheKey};
use kubemate_identity::TenantId;
use metrics::{Counter, counter};
use tokio_util::task::TaskTracker;

use self::{
    canonical::Canonical,
    flights::{Flights, Landed, Place, Seat},
};
pub(crate) use self::{
    keeping::Keeping,
    policy::{CachePolicy, Controls},
    recorder::Recorder,
    stored::Stored,
};
use crate::{api::ApiError, app::unix_now_ms, forward::Door, telemetry};

/// Says what the cache did: `hit`, `stale`, `miss` or `bypass`; absent where the model keeps no answers.
const STATE: HeaderName = HeaderName::from_static("x-kubemate-cache");

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) door: Door,
    /// The configured model that answers.
    pub(crate) model: &'a str,
    /// Its name as the answer shows it.
    pub(crate) shown: &'a str,
    /// Strict JSON, without the field `cache`.
    pub(crate) body: &'a [u8],
    pub(crate) streams: bool,
    pub(crate) wants_usage: bool,
    pub(crate) controls: Controls,
    /// The model's policy; none when it keeps no answers.
    pub(crate) keeping: Option<&'a Keeping>,
}

/// What the cache knows.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer. Costs nothing: its usage row says so.
    Hit(Answer),
    /// An answer that is due to be replaced: ask the model behind the client's back and hand the response to the
    /// recorder; without one somebody else does so.
    Stale(Answer, Option<Recorder>),
    /// Ask the model and hand its response, or its refusal, to the recorder.
    Lead(Recorder),
    /// Ask the model; nothing of this is kept. The response says `bypass`.
    Bypass,
    /// Ask the model: it keeps no answers.
    Off,
}

/// An answer that was kept.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// As counted when it was drawn.
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// The answers of all tenants; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AnswerCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    values: Arc<dyn Cache>,
    flights: Arc<Flights>,
    tasks: TaskTracker,
}

/// Lookups by model and outcome.
static LOOKUPS: LazyLock<telemetry::Table<Counter>> = LazyLock::new(|| {
    telemetry::Table::new(2000, |model, outcome, _| {
        let labels = [("model", model.to_owned()), ("outcome", outcome.to_owned())];
        counter!("kubemate_answer_cache_total", &labels)
    })
});

fn count(model: &str, outcome: &'static str) {
    LOOKUPS.get(model, outcome, 0).increment(1);
}

impl AnswerCache {
    /// Keeps answers in `values`, and writes them in `tasks`.
    pub(crate) fn new(values: Arc<dyn Cache>, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { values, flights: Arc::default(), tasks }))
    }

    /// Looks for an answer, and waits for one that is under way. A cache that does not answer is a miss.
    ///
    /// # Errors
    /// What the model said to the same question of somebody who asked at the same time.
    pub(crate) async fn lookup(&self, tenant: &TenantId, question: &Question<'_>) -> Result<Found, ApiError> {
        let Some(keeping) = question.keeping else { return Ok(Found::Off) };
        let found = self.find(tenant, question, keeping).await;
        let outcome = match &found {
            Ok(Found::Hit(_)) => "hit",
            Ok(Found::Stale(..)) => "stale",
            Ok(Found::Lead(_)) => "miss",
            Ok(Found::Bypass | Found::Off) => "bypass",
            Err(_) => "refused",
        };
        count(question.model, outcome);
        found
    }

    async fn find(&self, tenant: &TenantId, question: &Question<'_>, keeping: &Keeping) -> Result<Found, ApiError> {
        let Some(canonical) = question.canonical(&keeping.policy) else { return Ok(Found::Bypass) };
        let key = question.key(&canonical, &keeping.revision);
        let recorder = |seat| self.recorder(tenant, key, question, &keeping.policy, seat);
        let controls = &question.controls;
        if controls.no_cache {
            return Ok(if controls.no_store { Found::Bypass } else { Found::Lead(recorder(None)) });
        }
        loop {
            match self.kept(tenant, &key, question).await {
                Some((answer, true)) => return Ok(Found::Hit(answer)),
                Some((answer, false)) if controls.no_store => return Ok(Found::Stale(answer, None)),
                Some((answer, false)) => {
                    let place = self.0.flights.join(tenant, key);
                    let seat = if let Place::Leads(seat) = place { Some(seat) } else { None };
                    return Ok(Found::Stale(answer, seat.map(|seat| recorder(Some(seat)))));
                }
                None if controls.no_store => return Ok(Found::Bypass),
                None => {}
            }
            match self.0.flights.join(tenant, key) {
                // Who led before may have landed between the look and the join.
                Place::Leads(seat) => match self.kept(tenant, &key, question).await {
                    Some((answer, true)) => return Ok(Found::Hit(answer)),
                    _ => return Ok(Found::Lead(recorder(Some(seat)))),
                },
                Place::Follows(follower) => match follower.landed().await {
                    Landed::Stored(stored) => {
                        return Ok(question.answer(&stored, "hit").map_or(Found::Bypass, Found::Hit));
                    }
                    Landed::Alone => return Ok(Found::Bypass),
                    Landed::Refused(error) => return Err(copied(&error)),
                    Landed::Left => {}
                },
            }
        }
    }

    fn recorder(
        &self,
        tenant: &TenantId,
        key: CacheKey,
        question: &Question<'_>,
        policy: &CachePolicy,
        seat: Option<Seat>,
    ) -> Recorder {
        Recorder {
            cache: self.clone(),
            tenant: tenant.clone(),
            key,
            door: question.door,
            streams: question.streams,
            wants_usage: question.wants_usage,
            tools: policy.tools,
            ttl: question.controls.ttl.map_or(policy.ttl, |ttl| ttl.min(policy.ttl)),
            stale: policy.stale,
            most: usize::try_from(policy.max_answer.as_u64()).unwrap_or(usize::MAX),
            seat,
        }
    }

    /// What is kept and young enough, and whether it is as good as new.
    async fn kept(&self, tenant: &TenantId, key: &CacheKey, question: &Question<'_>) -> Option<(Answer, bool)> {
        let found = self.0.values.get(tenant, key).await;
        let found = found.inspect_err(|_| count(question.model, "unavailable"));
        let stored = Stored::decode(found.ok().flatten()?)?;
        let now = now_ms();
        if question.controls.max_age.is_some_and(|most| stored.age(now) >= most) {
            return None;
        }
        let fresh = stored.is_fresh(now);
        Some((question.answer(&stored, if fresh { "hit" } else { "stale" })?, fresh))
    }

    async fn keep(&self, tenant: &TenantId, key: &CacheKey, stored: &Stored, ttl: Duration) {
        if let Err(error) = self.0.values.put(tenant, key, stored.encode(), ttl).await {
            tracing::debug!(error = %error, "an answer is kept in this process only");
        }
    }

    fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}

impl Question<'_> {
    /// The question itself; `None` when its answer must not be kept.
    fn canonical(&self, policy: &CachePolicy) -> Option<Canonical> {
        let canonical = Canonical::of(self.body)?;
        let hot = canonical.temperature.is_some_and(|temperature| temperature > policy.max_temperature);
        (!hot && (policy.tools || !canonical.tools)).then_some(canonical)
    }

    fn key(&self, canonical: &Canonical, revision: &str) -> CacheKey {
        let parts: [&[u8]; 5] = [
            name(self.door).as_bytes(),
            self.model.as_bytes(),
            self.shown.as_bytes(),
            revision.as_bytes(),
            &canonical.bytes,
        ];
        CacheKey::new("answer", &parts)
    }

    fn answer(&self, stored: &Stored, state: &'static str) -> Option<Answer> {
        let mut response = stored.response(self.streams, self.wants_usage)?;
        let headers = response.headers_mut();
        headers.insert(STATE, HeaderValue::from_static(state));
        headers.insert(header::AGE, HeaderValue::from(stored.age(now_ms()).as_secs()));
        let (prompt_tokens, completion_tokens) = stored.tokens();
        Some(Answer { response, prompt_tokens, completion_tokens })
    }
}

/// The response, which says that it was not kept.
pub(crate) fn passed_by(mut response: Response) -> Response {
    response.headers_mut().insert(STATE, HeaderValue::from_static("bypass"));
    response
}

fn name(door: Door) -> &'static str {
    match door {
        Door::Chat => "chat",
        Door::Completions => "completions",
        Door::Embeddings => "embeddings",
        Door::Rerank => "rerank",
    }
}

fn now_ms() -> u64 {
    unix_now_ms().unsigned_abs()
}

/// The same refusal for another client.
fn copied(error: &ApiError) -> ApiError {
    match error {
        ApiError::Invalid { message, param, code } => {
            ApiError::Invalid { message: message.clone(), param: param.clone(), code: *code }
        }
        ApiError::Busy { what, retry_after } => ApiError::Busy { what: what.clone(), retry_after: *retry_after },
        ApiError::Upstream { upstream, what, status } => {
            ApiError::Upstream { upstream: upstream.clone(), what: what.clone(), status: *status }
        }
        ApiError::ModelNotFound(model) => ApiError::ModelNotFound(model.clone()),
        other => ApiError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
