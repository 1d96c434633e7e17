//! What would happen to a request, and how targets are, in words and numbers.

use std::{hash::Hash, sync::Arc};

use kubemate_identity::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Routes, affinity,
    clock::now_ms,
    config::Policy,
    health::Standing,
    route::{Place, Route},
};

/// A model and its targets.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct RouteState {
    pub(crate) model: String,
    pub(crate) aliases: Vec<String>,
    /// `weighted`, `least_in_flight`, `lowest_latency`, `session` or `prefix`.
    pub(crate) policy: String,
    /// Models that stand in, in this order.
    pub(crate) fallbacks: Vec<String>,
    pub(crate) targets: Vec<TargetState>,
}

/// A target as it is now.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct TargetState {
    pub(crate) upstream: String,
    /// The model's name over there.
    pub(crate) model: String,
    pub(crate) weight: u32,
    pub(crate) canary: bool,
    /// `well`, `trial` (the next request decides), `ejected` (after failures), `open` (its circuit is), `unwell` (by its
    /// probe), `resting` (it said it is busy), `rolled_back` (a canary that did worse), or `local`.
    pub(crate) state: String,
    /// Milliseconds until an ejected or open target is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) back_in_ms: Option<u64>,
    /// Answers under way, of this model and of the whole upstream.
    pub(crate) in_flight: u32,
    pub(crate) upstream_in_flight: u32,
    /// The moving average of first-token times; 0 when none is known.
    pub(crate) first_token_us: u64,
    /// How often it was taken out of late.
    pub(crate) ejections: u32,
}

/// Which target a request would get, and why.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The name that was asked for.
    pub(crate) asked: String,
    #[serde(flatten)]
    pub(crate) route: RouteState,
    /// The upstream that would answer, or `local`; none when nobody would.
    pub(crate) upstream: Option<String>,
    /// The model's name over there.
    pub(crate) target: Option<String>,
    /// A sentence.
    pub(crate) why: String,
}

impl Routes {
    /// Every configured model with its targets, by name.
    pub(crate) fn states(&self) -> Vec<RouteState> {
        let table = self.table.load();
        let own = table.names().filter(|(name, route)| *name == route.name());
        let mut states: Vec<RouteState> = own.map(|(_, route)| state(route)).collect();
        states.sort_by(|left, right| left.model.cmp(&right.model));
        states
    }

    /// What a request for `model` would get; nothing is sent and nothing is taken.
    pub(crate) fn explain(&self, model: &str, tenant: &TenantId, session: Option<&str>) -> Option<Explanation> {
        let table = self.table.load();
        let Some(route) = table.route(model) else { return self.here(model) };
        let key = session.filter(|_| route.policy() == Policy::Session);
        let key = key.map(|session| affinity::of(tenant, route, |hasher| session.hash(hasher)));
        let place = route.favourite(key, 0, now_ms()).and_then(|index| route.places.get(index));
        let local = route.local.first().filter(|_| route.places.is_empty());
        Some(Explanation {
            asked: model.to_owned(),
            route: state(route),
            upstream: place.map(|place| place.upstream.name.clone()).or_else(|| local.map(|_| "local".to_owned())),
            target: place.map(|place| place.name.clone()).or_else(|| local.map(|(_, name)| name.clone())),
            why: why(route, place, key.is_some()),
        })
    }

    /// A model on this machine that nobody configured.
    fn here(&self, model: &str) -> Option<Explanation> {
        self.choose(model).ok()?;
        let route = RouteState {
            model: model.to_owned(),
            aliases: Vec::new(),
            policy: Policy::default().as_str().to_owned(),
            fallbacks: Vec::new(),
            targets: vec![local_state(1, model)],
        };
        Some(Explanation {
            asked: model.to_owned(),
            route,
            upstream: Some("local".to_owned()),
            target: Some(model.to_owned()),
            why: "it runs in this process".to_owned(),
        })
    }
}

fn why(route: &Route, place: Option<&Arc<Place>>, keyed: bool) -> String {
    let Some(place) = place else {
        return match (route.places.is_empty(), route.config.fallbacks.as_slice()) {
            (true, _) => "it runs in this process".to_owned(),
            (false, []) => {
                "the circuits of all targets are open; requests are refused until one is tried again".to_owned()
            }
            (false, fallbacks) => {
                format!("the circuits of all targets are open; asked instead: {}", fallbacks.join(", "))
            }
        };
    };
    if route.places.len() == 1 {
        return "it is the only target".to_owned();
    }
    let well = route.places.iter().filter(|place| stands(route, place).0 == "well").count();
    let how = match (route.policy(), keyed) {
        (Policy::Weighted, _) => format!("drawn by weight ({} here)", place.weight),
        (Policy::LeastInFlight, _) => format!("fewest open requests for its weight ({})", place.upstream.in_flight()),
        (Policy::LowestLatency, _) => "shortest first-token time for its open requests".to_owned(),
        (Policy::Session, true) => "this session's target".to_owned(),
        (Policy::Session, false) => "drawn by weight, because no session was named".to_owned(),
        (Policy::Prefix, _) => "drawn by weight here; a request goes where its beginning leads".to_owned(),
    };
    let canary = if place.canary { "; it is on trial" } else { "" };
    format!("{how}, among {well} of {} targets that are well{canary}", route.places.len())
}

fn state(route: &Route) -> RouteState {
    let here = route.local.iter().map(|(weight, name)| local_state(*weight, name));
    RouteState {
        model: route.name().to_owned(),
        aliases: route.config.aliases.clone(),
        policy: route.policy().as_str().to_owned(),
        fallbacks: route.config.fallbacks.clone(),
        targets: route.places.iter().map(|place| target_state(route, place)).chain(here).collect(),
    }
}

fn target_state(route: &Route, place: &Place) -> TargetState {
    let now = now_ms();
    let (state, back) = stands(route, place);
    TargetState {
        upstream: place.upstream.name.clone(),
        model: place.name.clone(),
        weight: place.weight,
        canary: place.canary,
        state: state.to_owned(),
        back_in_ms: back.map(|at| at.saturating_sub(now)),
        in_flight: place.in_flight(),
        upstream_in_flight: place.upstream.in_flight(),
        first_token_us: place.health.latency.micros(now),
        ejections: place.health.times_out(),
    }
}

fn local_state(weight: u32, name: &str) -> TargetState {
    TargetState {
        upstream: "local".to_owned(),
        model: name.to_owned(),
        weight,
        canary: false,
        state: "local".to_owned(),
        back_in_ms: None,
        in_flight: 0,
        upstream_in_flight: 0,
        first_token_us: 0,
        ejections: 0,
    }
}

/// How a target is, in a word, and when it is expected back.
fn stands(route: &Route, place: &Place) -> (&'static str, Option<u64>) {
    let now = now_ms();
    let rolled_back = route.comparison.as_ref().is_some_and(|both| both.is_rolled_back());
    match place.health.standing(now) {
        _ if place.canary && rolled_back => ("rolled_back", None),
        Standing::Open(until) => ("open", Some(until)),
        Standing::Ejected(until) => ("ejected", Some(until)),
        Standing::Trial => ("trial", None),
        Standing::Well if place.upstream.is_unwell() => ("unwell", None),
        Standing::Well => match place.health.rests_until(now) {
            Some(until) => ("resting", Some(until)),
            None => ("well", None),
        },
    }
}
