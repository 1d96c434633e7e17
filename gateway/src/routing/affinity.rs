//! What keeps together what belongs together.

use std::hash::{DefaultHasher, Hash, Hasher};

use kubemate_identity::TenantId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ask, config::Policy, route::Route};

/// The same for calls that should meet the same target; none when nothing says so. Tenants never share one, because
/// their caches must not meet.
pub(super) fn key(ask: &Ask<'_>, route: &Route) -> Option<u64> {
    let tenant = &ask.caller.tenant;
    match route.policy() {
        Policy::Session => ask.session.map(|session| of(tenant, route, |hasher| session.hash(hasher))),
        Policy::Prefix => {
            beginning(ask.body, route.prefix_bytes()).map(|text| of(tenant, route, |hasher| text.hash(hasher)))
        }
        Policy::Weighted | Policy::LeastInFlight | Policy::LowestLatency => None,
    }
}

/// The key of what `add` adds, within a tenant and a model.
pub(super) fn of(tenant: &TenantId, route: &Route, add: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    (tenant.as_str(), route.name()).hash(&mut hasher);
    add(&mut hasher);
    hasher.finish()
}

/// What a prompt begins with, in the client's own bytes: whatever is equal there is equal to the model.
fn beginning(body: &[u8], bytes: usize) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Prompt<'a> {
        #[serde(borrow)]
        messages: Option<&'a RawValue>,
        #[serde(borrow)]
        prompt: Option<&'a RawValue>,
        #[serde(borrow)]
        input: Option<&'a RawValue>,
    }
    let found: Prompt<'_> = serde_json::from_slice(body).ok()?;
    let text = found.messages.or(found.prompt).or(found.input)?.get().as_bytes();
    Some(text.get(..bytes).unwrap_or(text))
}

/// How much `target` wants what has this key: the highest wins, and when a target comes or goes nothing moves that need
/// not. Source: Thaler and Ravishankar, rendezvous hashing; Wang and others for weights.
pub(super) fn wish(key: u64, target: &str, name: &str, weight: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (key, target, name).hash(&mut hasher);
    // 53 bits are what a float between 0 and 1 can hold; half a step keeps it off both ends.
    let even = ((hasher.finish() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / even.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_compared_from_their_beginning_wherever_they_stand() {
        let first = br#"{"model":"m","messages":[{"role":"user","content":"hello there"}]}"#;
        let second = br#"{"messages":[{"role":"user","content":"hello you"}],"model":"m"}"#;
        assert_eq!(beginning(first, 32), beginning(second, 32));
        assert_ne!(beginning(first, 40), beginning(second, 40));
        assert_eq!(beginning(br#"{"prompt":"a"}"#, 64), Some(&b"\"a\""[..]));
        assert_eq!(beginning(br#"{"model":"a"}"#, 64), None);
    }

    #[test]
    fn keys_spread_by_weight_and_stay_when_a_target_goes() {
        let best = |key: u64, among: &[(&str, u32)]| {
            let wished = |one: &(&str, u32)| wish(key, one.0, "m", one.1);
            among.iter().max_by(|left, right| wished(left).total_cmp(&wished(right))).unwrap().0.to_owned()
        };
        let all = [("a", 1), ("b", 1), ("c", 2)];
        let homes: Vec<String> = (0..4000).map(|key| best(key, &all)).collect();
        let of_c = homes.iter().filter(|home| *home == "c").count();
        assert!((1850..2150).contains(&of_c), "{of_c} of 4000 with half the weight");
        for (key, home) in homes.iter().enumerate().filter(|(_, home)| *home != "b") {
            assert_eq!(&best(key as u64, &[("a", 1), ("c", 2)]), home);
        }
    }
}
