//! Counters of one process: several are checked and added to in one step.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kubemate_identity::TenantId;

use crate::{CacheKey, Claim, Reserved, Settlement, Span, Standing, Verdict};

/// Parts with a lock each; a request touches a handful of counters for less than a microsecond.
const SHARDS: usize = 16;
/// Most counters held at once; past it the one that ends soonest starts anew. 16 MiB at about 160 bytes each.
const COUNTERS: usize = 100_000;
/// Counters of a part below which what has ended is not looked for.
const FEW: usize = 64;
/// No clock overflows within it, and nothing here outlives a process.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Counters in parts. A call locks the parts it needs in their order, so no two calls wait for each other in a circle.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    parts: [Mutex<Part>; SHARDS],
    windows: AtomicU64,
}

type Name = (Option<TenantId>, CacheKey);

#[derive(Debug, Default)]
struct Part {
    held: HashMap<Name, Count>,
    /// How many may be held before what has ended is dropped.
    sweep_at: usize,
}

#[derive(Debug)]
enum Count {
    Sum { value: u64, window: u64, end: Instant },
    Leases(Vec<(u64, Instant)>),
}

impl Count {
    fn end(&self) -> Option<Instant> {
        match self {
            Self::Sum { end, .. } => Some(*end),
            Self::Leases(holders) => holders.iter().map(|(_, end)| *end).max(),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.end().is_none_or(|end| end <= now)
    }
}

/// The locked parts of one call.
struct Locked<'a>([Option<MutexGuard<'a, Part>>; SHARDS]);

impl Locked<'_> {
    fn part(&mut self, key: &CacheKey) -> Option<&mut Part> {
        self.0.get_mut(place(key))?.as_deref_mut()
    }

    fn count(&mut self, claim: &Claim) -> Option<&mut Count> {
        self.part(&claim.key)?.held.get_mut(&name(claim))
    }
}

fn place(key: &CacheKey) -> usize {
    usize::from(key.first_byte()) % SHARDS
}

fn name(claim: &Claim) -> Name {
    (claim.owner.clone(), claim.key)
}

impl Counts {
    /// [`Counter::add`](crate::Counter::add).
    pub(crate) fn add(&self, tenant: &TenantId, key: &CacheKey, n: i64, lasts: Duration) -> u64 {
        let claim = Claim { owner: Some(tenant.clone()), key: *key, n: 0, most: u64::MAX, lasts, span: Span::Window };
        let mut locked = self.lock(std::iter::once(key));
        let now = Instant::now();
        self.start(&mut locked, &claim, now);
        match locked.count(&claim) {
            Some(Count::Sum { value, .. }) => {
                *value = value.saturating_add_signed(n);
                *value
            }
            _ => 0,
        }
    }

    /// [`Counter::reserve`](crate::Counter::reserve).
    pub(crate) fn reserve(&self, claims: &[Claim]) -> Reserved {
        let mut locked = self.lock(claims.iter().map(|claim| &claim.key));
        let now = Instant::now();
        let mut reserved = Reserved { standings: claims.iter().map(|claim| look(&mut locked, claim, now)).collect() };
        if reserved.granted() {
            for (claim, standing) in claims.iter().zip(&mut reserved.standings) {
                self.start(&mut locked, claim, now);
                take(&mut locked, claim, standing, now);
            }
        }
        reserved
    }

    /// [`Counter::settle`](crate::Counter::settle).
    pub(crate) fn settle(&self, settlements: &[Settlement]) {
        let mut locked = self.lock(settlements.iter().map(|settlement| &settlement.claim.key));
        let now = Instant::now();
        for settlement in settlements {
            give_back(&mut locked, settlement, now);
        }
    }

    fn lock<'k>(&self, keys: impl Iterator<Item = &'k CacheKey>) -> Locked<'_> {
        let wanted = keys.fold(0_u32, |wanted, key| wanted | 1 << place(key));
        let mut index = 0;
        Locked(self.parts.each_ref().map(|part| {
            let needed = wanted & 1 << index != 0;
            index += 1;
            needed.then(|| part.lock().unwrap_or_else(PoisonError::into_inner))
        }))
    }

    /// Makes sure that the claim's counter is there and running.
    fn start(&self, locked: &mut Locked<'_>, claim: &Claim, now: Instant) {
        let Some(part) = locked.part(&claim.key) else { return };
        let name = name(claim);
        if part.held.get(&name).is_some_and(|count| !count.is_over(now)) {
            return;
        }
        let fresh = match claim.span {
            Span::Lease { .. } => Count::Leases(Vec::new()),
            Span::Window | Span::Budget(_) => Count::Sum {
                value: initial(claim.span).unwrap_or(0),
                window: self.windows.fetch_add(1, Ordering::Relaxed).saturating_add(1),
                end: now + claim.lasts.min(LONGEST),
            },
        };
        part.make_room(now);
        part.held.insert(name, fresh);
    }
}

impl Part {
    fn make_room(&mut self, now: Instant) {
        if self.held.len() >= self.sweep_at.max(FEW) {
            self.held.retain(|_, count| !count.is_over(now));
            self.sweep_at = self.held.len().saturating_mul(2).min(COUNTERS / SHARDS);
        }
        if self.held.len() >= COUNTERS / SHARDS {
            let soonest = self.held.iter().min_by_key(|(_, count)| count.end()).map(|(name, _)| name.clone());
            soonest.and_then(|name| self.held.remove(&name));
        }
    }
}

/// What a counter that is not there starts with; `None`: not known.
fn initial(span: Span) -> Option<u64> {
    match span {
        Span::Window | Span::Lease { .. } => Some(0),
        Span::Budget(sum) => sum,
    }
}

/// How the counter stands, and whether the claim fits; changes nothing but holders whose time is over.
fn look(locked: &mut Locked<'_>, claim: &Claim, now: Instant) -> Standing {
    let (used, window, end) = match locked.count(claim) {
        Some(Count::Sum { value, window, end }) if *end > now => (Some(*value), *window, Some(*end)),
        Some(Count::Leases(holders)) => {
            holders.retain(|(_, end)| *end > now);
            (Some(holders.len() as u64), 0, holders.iter().map(|(_, end)| *end).min())
        }
        _ => (initial(claim.span), 0, None),
    };
    let left = end.map_or(claim.lasts, |end| end.saturating_duration_since(now));
    let n = if matches!(claim.span, Span::Lease { .. }) { 1 } else { claim.n };
    let verdict = match used {
        None => Verdict::Unknown,
        Some(used) if used.checked_add(n).is_some_and(|sum| sum <= claim.most) => Verdict::Fits,
        Some(_) => Verdict::Full,
    };
    Standing { used: used.unwrap_or(0), window, left, verdict }
}

/// Adds a claim that fits to its counter, which runs.
fn take(locked: &mut Locked<'_>, claim: &Claim, standing: &mut Standing, now: Instant) {
    match (locked.count(claim), claim.span) {
        (Some(Count::Sum { value, window, .. }), _) => {
            *value = value.saturating_add(claim.n);
            (standing.used, standing.window) = (*value, *window);
        }
        (Some(Count::Leases(holders)), Span::Lease { holder }) => {
            holders.push((holder, now + claim.lasts.min(LONGEST)));
            (standing.used, standing.window) = (holders.len() as u64, 1);
        }
        _ => {}
    }
}

fn give_back(locked: &mut Locked<'_>, settlement: &Settlement, now: Instant) {
    let Settlement { claim, window, used } = settlement;
    match (locked.count(claim), claim.span) {
        (Some(Count::Sum { value, window: running, end }), span) if *end > now => {
            if running == window {
                *value = value.saturating_sub(claim.n).saturating_add(*used);
            } else if matches!(span, Span::Budget(_)) {
                *value = value.saturating_add(*used);
            }
        }
        (Some(Count::Leases(holders)), Span::Lease { holder }) => holders.retain(|(held, _)| *held != holder),
        _ => {}
    }
}
