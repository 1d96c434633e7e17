use std::collections::HashMap;

use super::*;
use crate::routing::table::{Spec, Table};

/// A route over `targets`, each on an upstream of its own.
fn route(policy: &str, targets: &[(&str, u32)], more: &str) -> Arc<Route> {
    let upstream = |name: &str| {
        format!("[[upstreams]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n")
    };
    let target = |(name, weight): &(&str, u32)| {
        let canary = *name == "canary";
        format!("{{ upstream = \"{name}\", model = \"m\", weight = {weight}, canary = {canary} }}")
    };
    let upstreams: String = targets.iter().map(|(name, _)| upstream(name)).collect();
    let targets: Vec<String> = targets.iter().map(target).collect();
    let text = format!(
        "{upstreams}[[models]]\nname = \"m\"\npolicy = \"{policy}\"\n{more}\ntargets = [{}]",
        targets.join(",")
    );
    let spec: Spec = toml::from_str(&text).unwrap();
    Table::build(&[&spec], &Table::default()).unwrap().route("m").unwrap().clone()
}

fn picks(route: &Route, key: impl Fn(u64) -> Option<u64>, count: u64) -> HashMap<String, u64> {
    let mut found = HashMap::new();
    for number in 0..count {
        let pick = route.pick(key(number), 0, 1).unwrap();
        *found.entry(pick.place.upstream.name.clone()).or_default() += 1;
    }
    found
}

fn eject(route: &Route, index: usize, now: u64) {
    for _ in 0..5 {
        route.places[index].health.failed(false, now);
    }
}

const THREE: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];

#[test]
fn weights_are_shares() {
    let found = picks(&route("weighted", &[("a", 1), ("b", 3), ("none", 0)], ""), |_| None, 4000);
    assert!((2800..3200).contains(&found["b"]) && !found.contains_key("none"), "{found:?}");
}

#[test]
fn the_least_busy_and_the_fastest_are_preferred() {
    let busy = route("least_in_flight", &THREE, "");
    busy.places[0].upstream.enter();
    busy.places[2].upstream.enter();
    assert_eq!(picks(&busy, |_| None, 50)["b"], 50);
    let fast = route("lowest_latency", &THREE, "");
    for (place, micros) in fast.places.iter().zip([9000, 2000, 5000]) {
        place.health.latency.observe(micros, 1);
    }
    assert_eq!(picks(&fast, |_| None, 50)["b"], 50);
    (0..9).for_each(|_| fast.places[1].upstream.enter());
    assert_eq!(picks(&fast, |_| None, 50)["c"], 50, "nine under way outweigh the speed");
}

#[test]
fn a_session_stays_until_its_target_is_busier_by_the_bound() {
    let route = route("session", &THREE, "");
    let home = route.pick(Some(7), 0, 1).unwrap();
    assert_eq!(picks(&route, |_| Some(7), 50)[&home.place.upstream.name], 50);
    assert_eq!(picks(&route, Some, 300).len(), 3, "sessions spread");
    (0..9).for_each(|_| home.place.upstream.enter());
    assert_ne!(route.pick(Some(7), 0, 1).unwrap().index, home.index, "nine here and none elsewhere");
    let others = route.places.iter().filter(|place| !Arc::ptr_eq(place, &home.place));
    others.for_each(|place| (0..9).for_each(|_| place.upstream.enter()));
    assert_eq!(route.pick(Some(7), 0, 1).unwrap().index, home.index, "all are as busy");
}

#[test]
fn never_more_than_half_are_left_alone() {
    let route = route("weighted", &[("a", 1), ("b", 1), ("c", 1), ("d", 1)], "");
    eject(&route, 0, 1);
    assert_eq!(picks(&route, |_| None, 200).len(), 3);
    eject(&route, 1, 2);
    assert_eq!(picks(&route, |_| None, 200).len(), 2);
    eject(&route, 2, 3);
    let found = picks(&route, |_| None, 200);
    assert!(found.len() == 2 && found.contains_key("d") && found.contains_key("a"), "the first to return: {found:?}");
}

#[test]
fn what_was_tried_is_not_tried_again_and_the_ejected_come_last() {
    let route = route("weighted", &THREE, "");
    eject(&route, 2, 1);
    let first = route.pick(None, 0, 2).unwrap().index;
    let second = route.pick(None, bit(first), 2).unwrap().index;
    assert!(first != 2 && second != 2 && first != second);
    assert_eq!(route.pick(None, bit(first) | bit(second), 2).unwrap().index, 2, "better than nobody");
    assert!(route.pick(None, 0b111, 2).is_none());
}

#[test]
fn a_single_target_is_never_ejected_but_its_circuit_opens() {
    let route = route("weighted", &[("a", 1)], "");
    eject(&route, 0, 1);
    assert!(route.pick(None, 0, 2).is_some());
    for _ in 0..20 {
        route.places[0].health.failed(false, 3);
    }
    assert!(route.pick(None, 0, 4).is_none());
    let trial = route.pick(None, 0, 10_000).unwrap();
    assert!(trial.on_trial);
    assert!(route.pick(None, 0, 10_000).is_none(), "one at a time");
}

#[test]
fn a_canary_gets_its_share_whatever_the_policy_and_nothing_after_a_bad_verdict() {
    for policy in ["weighted", "least_in_flight", "lowest_latency"] {
        let route = route(policy, &[("a", 45), ("b", 45), ("canary", 10)], "");
        let found = picks(&route, |_| None, 4000);
        assert!((300..500).contains(&found["canary"]), "{policy}: {found:?}");
        let both = route.comparison.clone().unwrap();
        assert_eq!((0..60).filter_map(|_| both.failed(true, 1)).count(), 1);
        assert!(!picks(&route, |_| None, 500).contains_key("canary"), "{policy}");
    }
    let sticky = route("session", &[("a", 50), ("canary", 50)], "");
    for key in 0..40 {
        assert_eq!(picks(&sticky, |_| Some(key), 10).len(), 1, "a session is on one side");
    }
}
