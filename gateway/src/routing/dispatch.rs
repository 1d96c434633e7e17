//! One request: to whom, how often, and when it is given up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use rand::Rng;
use tokio::time::sleep;

use super::{
    Answered, Ask, Flight, Routes, UpstreamBody, Why, affinity,
    clock::now_ms,
    route::{Mask, Route, bit},
    table::Table,
    upstream::Failure,
};
use crate::{api::ApiError, telemetry::Attempt};

/// Longest wait before a second try; drawn at random, and twice as long before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// How often a server that sleeps is asked again.
const WAKE_EVERY: Duration = Duration::from_millis(250);

/// How a try ended without an answer.
enum Missed {
    /// Nobody was reached, or it broke off before the first byte.
    Failed(Failure, Arc<super::Upstream>),
    /// It answered that it cannot: 429 or 5xx. Boxed, since most tries go well.
    Refused(Box<Answered>),
}

/// One model's tries.
struct Tries<'a> {
    ask: &'a Ask<'a>,
    route: &'a Route,
    key: Option<u64>,
    tried: Mask,
    fallback: bool,
    attempt: u32,
}

impl Routes {
    /// Chooses an upstream, sends, and tries another one, then the fallbacks, as long as no byte of an answer has come.
    ///
    /// # Errors
    /// `ModelNotFound`; `Upstream` when nobody answered.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Answered, ApiError> {
        let table = self.table.load_full();
        let route = table.route(ask.model).ok_or_else(|| ApiError::ModelNotFound(ask.model.to_owned()))?;
        let mut attempt = 0;
        let mut missed = match tries(&ask, route, false, &mut attempt).await {
            Ok(answered) => return Ok(answered),
            Err(missed) => missed,
        };
        for fallback in stand_ins(&table, route, &ask) {
            match tries(&ask, fallback, true, &mut attempt).await {
                Ok(answered) => return Ok(answered),
                Err(later) => missed = later.or(missed),
            }
        }
        match missed {
            Some(Missed::Refused(answered)) => Ok(*answered),
            Some(Missed::Failed(failure, upstream)) => Err(upstream.told(failure)),
            None => Err(nobody(ask.model)),
        }
    }
}

/// Nobody was even asked: all circuits are open.
fn nobody(model: &str) -> ApiError {
    let message = format!("no upstream of model `{model}` answers at present");
    ApiError::Exhausted { message, status: StatusCode::SERVICE_UNAVAILABLE, retry_after: None }
}

/// The models that may answer in `route`'s stead, its fallbacks' own fallbacks included, each once. A key that is bound
/// to some models gets no other.
fn stand_ins<'a>(table: &'a Table, route: &'a Arc<Route>, ask: &Ask<'_>) -> Vec<&'a Arc<Route>> {
    let mut found: Vec<&Arc<Route>> = Vec::new();
    let mut waiting: Vec<&String> = route.config.fallbacks.iter().rev().collect();
    while let Some(name) = waiting.pop() {
        let Some(next) = table.route(name).filter(|_| ask.caller.rights.allows_model(name)) else { continue };
        if !Arc::ptr_eq(next, route) && !found.iter().any(|known| Arc::ptr_eq(known, next)) {
            found.push(next);
            waiting.extend(next.config.fallbacks.iter().rev());
        }
    }
    found
}

async fn tries(ask: &Ask<'_>, route: &Route, fallback: bool, attempt: &mut u32) -> Result<Answered, Option<Missed>> {
    let mut tries = Tries { ask, route, key: affinity::key(ask, route), tried: 0, fallback, attempt: *attempt };
    let outcome = tries.all().await;
    *attempt = tries.attempt;
    outcome
}

impl Tries<'_> {
    /// One target after the other; none when no target may be asked.
    async fn all(&mut self) -> Result<Answered, Option<Missed>> {
        let mut missed: Option<Missed> = None;
        for turn in 0..self.route.config.tries {
            if missed.as_ref().is_some_and(|missed| !missed.is_worth_another()) {
                break;
            }
            let again = missed.as_ref().is_some_and(Missed::cost_something);
            match self.one(turn, again).await {
                Some(Ok(answered)) => return Ok(answered),
                Some(Err(failed)) => missed = Some(failed),
                None => break,
            }
        }
        match missed {
            Some(missed) => self.wake(missed).await.map_err(Some),
            None => Err(None),
        }
    }

    /// The next target; none when there is no other, or it gives no second tries.
    async fn one(&mut self, turn: u32, again: bool) -> Option<Result<Answered, Missed>> {
        let now = now_ms();
        let pick = self.route.pick(self.key, self.tried, now)?;
        let upstream = pick.place.upstream.clone();
        self.tried |= bit(pick.index);
        // Made at once, so that whatever happens gives back what was taken.
        let mut flight = Flight::begin(self.route, pick);
        if turn == 0 {
            upstream.retries.deposit();
        } else if again && !upstream.retries.withdraw(now) {
            flight.asleep();
            return None;
        }
        if turn > 0 {
            upstream.meters().retried();
            if again {
                sleep(jitter(turn)).await;
            }
        }
        Some(self.attempt(flight).await)
    }

    async fn attempt(&mut self, mut flight: Flight) -> Result<Answered, Missed> {
        self.attempt += 1;
        let place = flight.place().clone();
        let upstream = &place.upstream;
        let body = match (self.ask.write)(upstream, &place.name) {
            Ok(body) => body,
            Err(error) => {
                flight.asleep();
                return Err(Missed::Failed(Failure::Refused(error), upstream.clone()));
            }
        };
        match self.first_piece(&flight, body).await {
            Ok(response) if response.status().is_success() => {
                flight.first_piece();
                Ok(self.answered(response, flight))
            }
            Ok(response) => self.refused(response, flight),
            Err(failure) => {
                let sleeps = matches!(failure, Failure::Unreached(_)) && upstream.wake_timeout() > Duration::ZERO;
                match failure {
                    Failure::Refused(_) => flight.refused(),
                    _ if sleeps => flight.asleep(),
                    _ => flight.fails(),
                }
                Err(Missed::Failed(failure, upstream.clone()))
            }
        }
    }

    /// The head of the answer and, of a good one, its first piece: until then another target may still answer.
    async fn first_piece(&self, flight: &Flight, body: Bytes) -> Result<Response<UpstreamBody>, Failure> {
        let upstream = &flight.place().upstream;
        let attempt = Attempt::begin(self.ask.model, &upstream.name);
        let begun = async {
            let mut response = upstream.exchange(self.ask.path, body).await?;
            if response.status().is_success() {
                response.body_mut().begin().await.map_err(Failure::from)?;
            }
            Ok(response)
        };
        attempt.watch(begun.await)
    }

    /// A refusal is final when it is about the request. Otherwise others may answer, and what is kept of this one is
    /// only for the client.
    fn refused(&self, response: Response<UpstreamBody>, mut flight: Flight) -> Result<Answered, Missed> {
        let place = flight.place().clone();
        let status = response.status();
        match status {
            StatusCode::TOO_MANY_REQUESTS => flight.busy(patience(response.headers())),
            StatusCode::SERVICE_UNAVAILABLE if place.upstream.wake_timeout() > Duration::ZERO => flight.asleep(),
            status if status.is_server_error() => flight.fails(),
            _ => flight.refused(),
        }
        let answered = self.answered(response, flight);
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(Missed::Refused(Box::new(answered)));
        }
        Ok(answered)
    }

    fn answered(&self, response: Response<UpstreamBody>, flight: Flight) -> Answered {
        let place = flight.place();
        Answered {
            upstream: place.upstream.clone(),
            name: place.name.clone(),
            why: Why {
                policy: self.route.policy().as_str(),
                attempt: self.attempt,
                fallback: self.fallback.then(|| self.route.name().to_owned()),
                canary: place.canary,
            },
            response,
            flight,
        }
    }

    /// Waits for a server that was scaled to zero, when nobody else could answer.
    async fn wake(&mut self, mut missed: Missed) -> Result<Answered, Missed> {
        let Some(upstream) = missed.sleeper() else { return Err(missed) };
        let until = Instant::now() + upstream.wake_timeout();
        while missed.sleeper().is_some() && Instant::now() < until {
            sleep(WAKE_EVERY + jitter(0)).await;
            self.tried = 0;
            let Some(pick) = self.route.pick(self.key, 0, now_ms()) else { continue };
            match self.attempt(Flight::begin(self.route, pick)).await {
                Ok(answered) => return Ok(answered),
                Err(again) => missed = again,
            }
        }
        Err(missed)
    }
}

impl Missed {
    /// Whether another target may do better.
    fn is_worth_another(&self) -> bool {
        !matches!(self, Self::Failed(Failure::Refused(_), _))
    }

    /// Whether a server has worked on it: only then is another try more load than a first one.
    fn cost_something(&self) -> bool {
        !matches!(self, Self::Failed(Failure::Unreached(_), _))
    }

    /// The upstream that may only be asleep.
    fn sleeper(&self) -> Option<Arc<super::Upstream>> {
        let upstream = match self {
            Self::Failed(Failure::Unreached(_), upstream) => upstream,
            Self::Refused(answered) if answered.response.status() == StatusCode::SERVICE_UNAVAILABLE => {
                &answered.upstream
            }
            _ => return None,
        };
        (upstream.wake_timeout() > Duration::ZERO).then(|| upstream.clone())
    }
}

/// A random wait, so that those who failed together do not come back together.
fn jitter(turn: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1_u32.checked_shl(turn).unwrap_or(u32::MAX));
    longest.mul_f64(rand::rng().random())
}

/// How long a busy server asks to be left alone; a second when it does not say.
fn patience(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}
