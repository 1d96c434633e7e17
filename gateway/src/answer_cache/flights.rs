//! Equal questions that are under way: one goes to the model, the others wait for its answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kubemate_cache::CacheKey;
use kubemate_identity::TenantId;
use tokio::sync::watch;

use super::Stored;
use crate::api::ApiError;

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum Landed {
    /// With an answer for all.
    Stored(Arc<Stored>),
    /// With an answer that is not for others: everybody asks for himself.
    Alone,
    /// The model refused; it would refuse the others, too.
    Refused(Arc<ApiError>),
    /// The leader left before the end; another one leads.
    Left,
}

type Name = (TenantId, CacheKey);
type Landing = watch::Receiver<Option<Landed>>;

/// The questions under way in this process. The tenant is part of the name: nobody waits for another's answer.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Name, Landing>>);

/// A place in a flight.
pub(super) enum Place {
    Leads(Seat),
    Follows(Follower),
}

impl Flights {
    /// Leads when nobody else does.
    pub(super) fn join(self: &Arc<Self>, tenant: &TenantId, key: CacheKey) -> Place {
        let name = (tenant.clone(), key);
        let mut open = self.lock();
        if let Some(landing) = open.get(&name) {
            return Place::Follows(Follower(landing.clone()));
        }
        let (landing, watched) = watch::channel(None);
        open.insert(name.clone(), watched);
        Place::Leads(Seat { flights: self.clone(), name, landing })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Landing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leader's. Dropping it ends the flight; who did not [`Seat::land`] before has left.
#[derive(Debug)]
pub(super) struct Seat {
    flights: Arc<Flights>,
    name: Name,
    landing: watch::Sender<Option<Landed>>,
}

impl Seat {
    /// Tells the followers, while newcomers still join. The first word counts.
    pub(super) fn land(&self, how: Landed) {
        self.landing.send_if_modified(|landed| {
            let first = landed.is_none();
            landed.get_or_insert(how);
            first
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
        self.land(Landed::Left);
    }
}

/// Waits for the leader.
pub(super) struct Follower(Landing);

impl Follower {
    pub(super) async fn landed(mut self) -> Landed {
        match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Landed::Left),
            Err(_) => Landed::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Arc<Flights>, TenantId, CacheKey) {
        (Arc::default(), TenantId::default_tenant(), CacheKey::new("answer", &["q"]))
    }

    #[tokio::test]
    async fn one_leads_and_all_others_learn_how_it_ended() {
        let (flights, tenant, key) = parts();
        let Place::Leads(seat) = flights.join(&tenant, key) else { panic!("nobody led before") };
        let waiting: Vec<_> = (0..100)
            .map(|_| match flights.join(&tenant, key) {
                Place::Follows(follower) => follower.landed(),
                Place::Leads(_) => panic!("two leaders"),
            })
            .collect();
        assert!(matches!(flights.join(&TenantId::parse("other").unwrap(), key), Place::Leads(_)));
        seat.land(Landed::Alone);
        let Place::Follows(late) = flights.join(&tenant, key) else { panic!("it has not ended yet") };
        drop(seat);
        for landed in futures::future::join_all(waiting.into_iter().chain([late.landed()])).await {
            assert!(matches!(landed, Landed::Alone), "{landed:?}");
        }
        assert!(matches!(flights.join(&tenant, key), Place::Leads(_)));
    }

    #[tokio::test]
    async fn a_leader_that_leaves_makes_room_for_the_next() {
        let (flights, tenant, key) = parts();
        let Place::Leads(seat) = flights.join(&tenant, key) else { panic!("nobody led before") };
        let Place::Follows(follower) = flights.join(&tenant, key) else { panic!("two leaders") };
        drop(seat);
        assert!(matches!(follower.landed().await, Landed::Left));
        assert!(matches!(flights.join(&tenant, key), Place::Leads(_)));
    }
}
