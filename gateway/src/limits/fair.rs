//! Who is next where requests wait: tenants share in turn, and the keys of a tenant share its turns.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng 1996): everybody has a clock that moves on with what was served, and whose
//! clock is furthest behind is next. Who comes back after a pause starts at the present, so nobody saves turns up.

use std::{collections::HashMap, collections::VecDeque, hash::Hash};

use kubemate_identity::{KeyId, TenantId};

use super::config::Priority;

/// Clocks of those who do not wait are kept up to this many; a clock that is lost starts at the present.
const IDLE: usize = 1024;

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) tenant: TenantId,
    pub(super) key: KeyId,
    pub(super) priority: Priority,
}

/// How much faster the clock runs: of four requests of equal cost, a normal one stands beside four high ones.
fn pace(priority: Priority) -> u64 {
    match priority {
        Priority::High => 1,
        Priority::Normal => 4,
        Priority::Low => 16,
    }
}

/// What waits of a tenant, by key; each request with its cost.
type Lines<T> = Clocks<KeyId, VecDeque<(u64, T)>>;

/// Requests that wait, in lines of lines.
#[derive(Debug)]
pub(super) struct Fair<T> {
    tenants: Clocks<(TenantId, Priority), Lines<T>>,
    len: usize,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { tenants: Clocks::default(), len: 0 }
    }
}

impl<T> Fair<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a request of this cost behind the others of its key.
    pub(super) fn push(&mut self, waiter: Waiter, cost: u64, item: T) {
        let tenant = self.tenants.enter((waiter.tenant, waiter.priority), |lines| !lines.any(|line| !line.is_empty()));
        tenant.enter(waiter.key, VecDeque::is_empty).push_back((cost, item));
        self.len += 1;
    }

    /// The cost of the request that is next.
    pub(super) fn next_cost(&self) -> Option<u64> {
        let (_, tenant) = self.tenants.furthest_behind(has_waiting, |(_, priority)| *priority)?;
        let (_, line) = tenant.furthest_behind(|line| !line.is_empty(), |_| ())?;
        line.front().map(|(cost, _)| *cost)
    }

    /// Takes the request that is next.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let name = self.tenants.furthest_behind(has_waiting, |(_, priority)| *priority)?.0.clone();
        let tenant = self.tenants.get(&name)?;
        let key = tenant.furthest_behind(|line| !line.is_empty(), |_| ())?.0.clone();
        let (cost, item) = tenant.get(&key)?.pop_front()?;
        tenant.serve(&key, cost, VecDeque::is_empty);
        self.tenants.serve(&name, cost.saturating_mul(pace(name.1)), |lines| !has_waiting(lines));
        self.len -= 1;
        Some((cost, item))
    }

    /// Takes the last request of whoever waits with most, if that is more than `waiter` waits with.
    pub(super) fn pop_longest(&mut self, waiter: &Waiter) -> Option<T> {
        let own = (waiter.tenant.clone(), waiter.priority);
        let own = self.tenants.get(&own).map_or(0, |lines| waiting(lines));
        let longest = self.tenants.all.iter().max_by_key(|(_, clock)| waiting(&clock.line))?;
        if waiting(&longest.1.line) <= own {
            return None;
        }
        let name = longest.0.clone();
        let lines = self.tenants.get(&name)?;
        let line = lines.all.values_mut().max_by_key(|clock| clock.line.len())?;
        let (_, item) = line.line.pop_back()?;
        self.len -= 1;
        Some(item)
    }

    /// Drops the requests that nobody waits for any more.
    pub(super) fn retain(&mut self, mut waits: impl FnMut(&T) -> bool) {
        for tenant in self.tenants.all.values_mut() {
            tenant.line.all.values_mut().for_each(|clock| clock.line.retain(|(_, item)| waits(item)));
        }
        self.len = self.tenants.all.values().map(|clock| waiting(&clock.line)).sum();
    }
}

fn has_waiting<T>(lines: &Clocks<KeyId, VecDeque<(u64, T)>>) -> bool {
    lines.any(|line| !line.is_empty())
}

fn waiting<T>(lines: &Clocks<KeyId, VecDeque<(u64, T)>>) -> usize {
    lines.all.values().map(|clock| clock.line.len()).sum()
}

/// Lines with a clock each.
#[derive(Debug)]
struct Clocks<K, L> {
    all: HashMap<K, Clock<L>>,
    /// The clock of who was served last: where newcomers start.
    present: u64,
    arrivals: u64,
}

#[derive(Debug, Default)]
struct Clock<L> {
    at: u64,
    /// Tells apart whose clocks show the same: first come, first served.
    arrival: u64,
    line: L,
}

impl<K, L> Default for Clocks<K, L> {
    fn default() -> Self {
        Self { all: HashMap::new(), present: 0, arrivals: 0 }
    }
}

impl<K: Eq + Hash + Clone, L: Default> Clocks<K, L> {
    fn any(&self, wanted: impl Fn(&L) -> bool) -> bool {
        self.all.values().any(|clock| wanted(&clock.line))
    }

    fn get(&mut self, name: &K) -> Option<&mut L> {
        self.all.get_mut(name).map(|clock| &mut clock.line)
    }

    /// The line of that name; when it was empty, its clock shows the present at least.
    fn enter(&mut self, name: K, is_empty: impl Fn(&L) -> bool) -> &mut L {
        if self.all.len() >= IDLE {
            self.all.retain(|_, clock| !is_empty(&clock.line));
        }
        self.arrivals += 1;
        let clock = self.all.entry(name).or_default();
        if is_empty(&clock.line) {
            (clock.at, clock.arrival) = (clock.at.max(self.present), self.arrivals);
        }
        &mut clock.line
    }

    fn furthest_behind<R: Ord>(&self, wanted: impl Fn(&L) -> bool, rank: impl Fn(&K) -> R) -> Option<(&K, &L)> {
        let waiting = self.all.iter().filter(|(_, clock)| wanted(&clock.line));
        let next = waiting.min_by_key(|(name, clock)| (clock.at, rank(name), clock.arrival));
        next.map(|(name, clock)| (name, &clock.line))
    }

    /// Moves the clock of that name on by what was served.
    fn serve(&mut self, name: &K, cost: u64, is_empty: impl Fn(&L) -> bool) {
        self.arrivals += 1;
        if let Some(clock) = self.all.get_mut(name) {
            self.present = clock.at;
            (clock.at, clock.arrival) = (clock.at.saturating_add(cost), self.arrivals);
        }
        if self.all.values().all(|clock| is_empty(&clock.line)) && self.all.len() >= IDLE {
            self.all.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(tenant: &str, key: &str, priority: Priority) -> Waiter {
        Waiter { tenant: TenantId::parse(tenant).unwrap(), key: KeyId::parse(key).unwrap(), priority }
    }

    fn order(fair: &mut Fair<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| fair.pop().map(|(_, item)| item)).collect()
    }

    #[test]
    fn a_hundred_of_one_tenant_hold_up_nobody_else() {
        let mut fair = Fair::default();
        for _ in 0..100 {
            fair.push(waiter("many", "k", Priority::Normal), 1, "many");
        }
        for _ in 0..50 {
            fair.pop();
        }
        fair.push(waiter("one", "k", Priority::Normal), 1, "one");
        let order = order(&mut fair);
        assert!(order.iter().position(|item| *item == "one").unwrap() <= 1, "{order:?}");
        assert_eq!((order.len(), fair.len()), (51, 0));
    }

    #[test]
    fn a_request_of_eight_choices_counts_eight_times() {
        let mut fair = Fair::default();
        for _ in 0..2 {
            fair.push(waiter("wide", "k", Priority::Normal), 8, "wide");
        }
        for _ in 0..16 {
            fair.push(waiter("narrow", "k", Priority::Normal), 1, "narrow");
        }
        let order = order(&mut fair);
        let second = order.iter().rposition(|item| *item == "wide").unwrap();
        assert!((8..=10).contains(&second), "{order:?}");
    }

    #[test]
    fn the_keys_of_a_tenant_share_its_turns() {
        let mut fair = Fair::default();
        for _ in 0..10 {
            fair.push(waiter("t", "greedy", Priority::Normal), 1, "greedy");
        }
        fair.push(waiter("t", "modest", Priority::Normal), 1, "modest");
        let order = order(&mut fair);
        assert!(order.iter().position(|item| *item == "modest").unwrap() <= 1, "{order:?}");
    }

    #[test]
    fn higher_priorities_get_more_and_lower_ones_are_not_starved() {
        let mut fair = Fair::default();
        for (tenant, priority) in [("l", Priority::Low), ("n", Priority::Normal), ("h", Priority::High)] {
            for _ in 0..40 {
                fair.push(waiter(tenant, "k", priority), 1, priority.as_str());
            }
        }
        let order = order(&mut fair);
        let of = |name: &str| order.iter().take(42).filter(|item| **item == name).count();
        assert_eq!(order.first(), Some(&"high"));
        assert!(
            (29..=33).contains(&of("high")) && (7..=9).contains(&of("normal")) && (1..=3).contains(&of("low")),
            "{order:?}"
        );
    }

    #[test]
    fn when_the_queue_is_full_whoever_waits_most_loses_the_last() {
        let mut fair = Fair::default();
        for at in ["first", "second", "third"] {
            fair.push(waiter("many", "k", Priority::Normal), 1, at);
        }
        assert_eq!(fair.pop_longest(&waiter("many", "k", Priority::Normal)), None);
        assert_eq!(fair.pop_longest(&waiter("one", "k", Priority::Normal)), Some("third"));
        assert_eq!(fair.len(), 2);
        fair.retain(|item| *item != "first");
        assert_eq!(order(&mut fair), ["second"]);
    }
}
