//! Places of models that answer a bounded number of requests at once, and the fair lines before them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use kubemate_identity::Caller;
use tokio::sync::oneshot;

use super::{
    config::Priority,
    fair::{Fair, Waiter},
};
use crate::{api::ApiError, telemetry::Waiting};

/// Said to whom the line had no room for.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The lines of all models, made when somebody first comes.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Requests that may wait before one model.
    most: AtomicUsize,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

impl Turns {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: AtomicUsize::new(most), gates: Mutex::default() }
    }

    /// From now on so many requests may wait before one model.
    pub(crate) fn may_wait(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// Waits for a place of the size `cost` among the `places` of `model`. Leaving ends the wait.
    ///
    /// # Errors
    /// `Busy` when the line is full, or when its last place went to somebody who waits with less.
    pub(crate) async fn wait(
        &self,
        model: &str,
        places: u32,
        (caller, priority): (&Caller, Priority),
        cost: u32,
    ) -> Result<Turn, ApiError> {
        let gate = self.lock().entry(model.to_owned()).or_default().clone();
        let waiter = Waiter { tenant: caller.tenant.clone(), key: caller.key.clone(), priority };
        let busy = || ApiError::Busy { what: format!("model `{model}`"), retry_after: RETRY_AFTER };
        let turn =
            gate.enter(places, waiter, cost.clamp(1, places.max(1)), self.most.load(Relaxed)).ok_or_else(busy)?;
        let _until_its_turn = Waiting::join(model);
        turn.await.map_err(|_| busy())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of one model.
#[derive(Debug, Default)]
struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    places: u32,
    taken: u32,
    waiting: Fair<oneshot::Sender<Turn>>,
}

impl Gate {
    /// Stands in line; `None` when there is no room in it.
    fn enter(self: &Arc<Self>, places: u32, waiter: Waiter, cost: u32, most: usize) -> Option<oneshot::Receiver<Turn>> {
        let (sender, turn) = oneshot::channel();
        let mut state = self.lock();
        state.places = places;
        if state.waiting.len() >= most {
            state.waiting.retain(|sender| !sender.is_closed());
        }
        if state.waiting.len() >= most {
            drop(state.waiting.pop_longest(&waiter)?);
        }
        state.waiting.push(waiter, u64::from(cost), sender);
        drop(state);
        self.advance();
        Some(turn)
    }

    /// Gives places to whoever is next, as far as there are any. One that needs more than is free holds up the others:
    /// else it would never come.
    fn advance(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(cost) = state.waiting.next_cost().and_then(|cost| u32::try_from(cost).ok()) else { return };
            // After a change of `places` a request may be larger than all of them; it goes alone.
            if state.taken > 0 && state.taken.saturating_add(cost) > state.places {
                return;
            }
            let Some((_, sender)) = state.waiting.pop() else { return };
            if sender.is_closed() {
                continue;
            }
            state.taken = state.taken.saturating_add(cost);
            drop(state);
            // Who left this moment drops the turn, and with it gives the place to the next.
            let _left = sender.send(Turn { gate: self.clone(), cost });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is held. Dropping it gives it to the next in line.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Arc<Gate>,
    cost: u32,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.taken = state.taken.saturating_sub(self.cost);
        drop(state);
        self.gate.advance();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::{FutureExt, poll};
    use kubemate_identity::{KeyId, ProjectId, Rights, TenantId};

    use super::*;

    fn caller(tenant: &str) -> Caller {
        Caller {
            tenant: TenantId::parse(tenant).unwrap(),
            project: ProjectId::parse("proj_1").unwrap(),
            key: KeyId::parse("key_1").unwrap(),
            rights: Rights::operator(),
        }
    }

    #[tokio::test]
    async fn a_place_goes_to_the_tenant_that_waits_with_less() {
        let turns = Turns::new(1000);
        let (many, one) = (caller("many"), caller("one"));
        let first = turns.wait("m", 1, (&many, Priority::Normal), 1).await.unwrap();
        let mut crowd: Vec<_> = (0..100).map(|_| turns.wait("m", 1, (&many, Priority::Normal), 1).boxed()).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        let mut other = turns.wait("m", 1, (&one, Priority::Normal), 1).boxed();
        assert!(poll!(&mut other).is_pending());
        drop(first);
        let Poll::Ready(Ok(turn)) = poll!(&mut other) else { panic!("the other tenant is next") };
        assert!(crowd.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        drop(turn);
        crowd.remove(0).await.unwrap();
    }

    #[tokio::test]
    async fn who_leaves_holds_nothing() {
        let turns = Turns::new(10);
        let caller = caller("t");
        let first = turns.wait("m", 1, (&caller, Priority::Normal), 1).await.unwrap();
        let mut left = turns.wait("m", 1, (&caller, Priority::Normal), 1).boxed();
        assert!(poll!(&mut left).is_pending());
        drop(left);
        let mut late = turns.wait("m", 1, (&caller, Priority::Normal), 1).boxed();
        assert!(poll!(&mut late).is_pending());
        drop(first); // the place passes over the one who left, whether before or after it was given
        let held = late.await.unwrap();
        let mut gone = turns.wait("m", 1, (&caller, Priority::Normal), 1).boxed();
        assert!(poll!(&mut gone).is_pending());
        drop(held);
        drop(gone); // its turn had been given to it already
        turns.wait("m", 1, (&caller, Priority::Normal), 8).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_full_line_turns_away_whoever_waits_with_most() {
        let turns = Turns::new(2);
        let (many, one) = (caller("many"), caller("one"));
        let held = turns.wait("m", 1, (&many, Priority::Normal), 1).await.unwrap();
        let mut crowd: Vec<_> = (0..2).map(|_| turns.wait("m", 1, (&many, Priority::Normal), 1).boxed()).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        let refused = turns.wait("m", 1, (&many, Priority::Normal), 1).await.unwrap_err();
        assert!(matches!(refused, ApiError::Busy { .. }));
        let mut other = turns.wait("m", 1, (&one, Priority::Normal), 1).boxed();
        assert!(poll!(&mut other).is_pending());
        assert!(matches!(crowd.pop().unwrap().await, Err(ApiError::Busy { .. })), "the last of the crowd made room");
        drop(held);
        other.await.unwrap();
    }
}
