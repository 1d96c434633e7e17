//! What is known of a target from what happened to its requests.
//!
//! Two things take a target out. Failures one after the other *eject* it: a hint, which a model ignores rather than
//! lose more than half of its targets. A share of failures *opens its circuit*: nobody is sent there, so that a server
//! that is down or drowning is left alone and clients are told at once. Both end with one request on trial.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{config::HealthConfig, latency::PeakEwma};

/// Longest that a target's `retry-after` keeps requests away: it may be wrong about itself.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// One model on one upstream.
#[derive(Debug)]
pub(super) struct Health {
    config: HealthConfig,
    /// Failures one after the other.
    failures: AtomicU32,
    /// Until when it is out; 0 when it is in. Milliseconds of [`super::clock`], as all times here.
    out_until: AtomicU64,
    out_since: AtomicU64,
    /// Whether it is out because its circuit is open.
    open: AtomicBool,
    /// Whether the one request of a half-open state is under way.
    trial: AtomicBool,
    /// How often it was taken out without a calm time between.
    times: AtomicU32,
    /// Until when it asked to be left alone.
    rests_until: AtomicU64,
    window: Window,
    /// First-token times, in microseconds.
    pub(super) latency: PeakEwma,
    /// Answers under way.
    pub(super) in_flight: AtomicU32,
}

/// Whether a target can be sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Well,
    /// Back in service with the next request, of which one at a time may try.
    Trial,
    /// Out after failures, until then.
    Ejected(u64),
    /// Its circuit is open, until then.
    Open(u64),
}

impl Health {
    pub(super) fn new(config: HealthConfig) -> Self {
        Self {
            window: Window::new(config.window),
            config,
            failures: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            out_since: AtomicU64::new(0),
            open: AtomicBool::new(false),
            trial: AtomicBool::new(false),
            times: AtomicU32::new(0),
            rests_until: AtomicU64::new(0),
            latency: PeakEwma::default(),
            in_flight: AtomicU32::new(0),
        }
    }

    pub(super) fn standing(&self, now: u64) -> Standing {
        let until = self.out_until.load(Relaxed);
        match (until, self.open.load(Relaxed)) {
            (0, _) => Standing::Well,
            (until, open) if now < until || self.trial.load(Relaxed) => {
                if open {
                    Standing::Open(until.max(now))
                } else {
                    Standing::Ejected(until.max(now))
                }
            }
            _ => Standing::Trial,
        }
    }

    /// Takes the place of the one request on trial; whether it was free.
    pub(super) fn claim_trial(&self) -> bool {
        self.trial.compare_exchange(false, true, Relaxed, Relaxed).is_ok()
    }

    /// Gives the place back with nothing learnt.
    pub(super) fn release_trial(&self) {
        self.trial.store(false, Relaxed);
    }

    /// A request that began at `begun` was answered.
    pub(super) fn answered(&self, begun: u64, now: u64) {
        self.window.count(false, now);
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        let until = self.out_until.load(Relaxed);
        if until == 0 {
            let calm = self.out_since.load(Relaxed).saturating_add(ms(self.config.longest_eject));
            if self.times.load(Relaxed) != 0 && now > calm {
                self.times.store(0, Relaxed);
            }
        } else if begun >= self.out_since.load(Relaxed) {
            self.window.forget(now);
            self.open.store(false, Relaxed);
            self.out_until.store(0, Relaxed);
        }
    }

    /// A request failed; whether that took the target out.
    pub(super) fn failed(&self, on_trial: bool, now: u64) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let share = self.window.count(true, now);
        if on_trial {
            let open = self.open.load(Relaxed);
            self.take_out(open, now);
            return true;
        }
        let (is_out, is_open) = (self.out_until.load(Relaxed) != 0, self.open.load(Relaxed));
        if share.is_some_and(|(all, share)| all >= self.config.requests && share >= self.config.error_rate) && !is_open
        {
            self.take_out(true, now);
            return true;
        }
        if failures >= self.config.failures && !is_out {
            self.take_out(false, now);
            return true;
        }
        false
    }

    fn take_out(&self, open: bool, now: u64) {
        let times = self.times.fetch_add(1, Relaxed).saturating_add(1);
        let base = if open { self.config.open } else { self.config.eject };
        let wait = base.saturating_mul(times).min(self.config.longest_eject);
        self.open.store(open, Relaxed);
        self.out_since.store(now, Relaxed);
        self.out_until.store(now.saturating_add(ms(wait)).max(1), Relaxed);
    }

    /// It said that it is busy: others are better for a while.
    pub(super) fn rest(&self, wait: Duration, now: u64) {
        self.rests_until.store(now.saturating_add(ms(wait.min(LONGEST_REST))), Relaxed);
    }

    pub(super) fn rests_until(&self, now: u64) -> Option<u64> {
        Some(self.rests_until.load(Relaxed)).filter(|until| *until > now)
    }

    /// It is known to be well from elsewhere, such as a probe.
    pub(super) fn restore(&self) {
        self.failures.store(0, Relaxed);
        self.open.store(false, Relaxed);
        self.out_until.store(0, Relaxed);
    }

    /// How often it was taken out of late.
    pub(super) fn times_out(&self) -> u32 {
        self.times.load(Relaxed)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Requests and failures of a span of time; then both begin anew.
#[derive(Debug)]
struct Window {
    length: u64,
    since: AtomicU64,
    all: AtomicU32,
    failed: AtomicU32,
}

impl Window {
    fn new(length: Duration) -> Self {
        Self { length: ms(length), since: AtomicU64::new(0), all: AtomicU32::new(0), failed: AtomicU32::new(0) }
    }

    /// Counts a request; after a failure, how many there were and what share of them failed.
    fn count(&self, failed: bool, now: u64) -> Option<(u32, f64)> {
        let since = self.since.load(Relaxed);
        if now.saturating_sub(since) > self.length {
            self.forget(now);
        }
        let all = self.all.fetch_add(1, Relaxed).saturating_add(1);
        if !failed {
            return None;
        }
        let failed = self.failed.fetch_add(1, Relaxed).saturating_add(1);
        Some((all, f64::from(failed) / f64::from(all)))
    }

    fn forget(&self, now: u64) {
        self.since.store(now, Relaxed);
        self.all.store(0, Relaxed);
        self.failed.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(HealthConfig::default())
    }

    #[test]
    fn failures_in_a_row_eject_for_longer_each_time() {
        let health = health();
        for at in 1..5 {
            assert!(!health.failed(false, at));
        }
        assert!(health.failed(false, 5));
        assert_eq!(health.standing(6), Standing::Ejected(10_005));
        assert_eq!(health.standing(10_005), Standing::Trial);
        assert!(health.claim_trial() && !health.claim_trial());
        assert_eq!(health.standing(10_006), Standing::Ejected(10_006), "one trial at a time");
        assert!(health.failed(true, 10_006));
        health.release_trial();
        assert_eq!(health.standing(10_007), Standing::Ejected(30_006));
        assert!(health.claim_trial());
        health.answered(30_006, 30_007);
        health.release_trial();
        assert_eq!(health.standing(30_008), Standing::Well);
    }

    #[test]
    fn a_success_between_failures_keeps_it_in() {
        let health = health();
        for at in 1..15 {
            assert!(!health.failed(false, at));
            (0..2).for_each(|_| health.answered(at, at));
        }
        assert_eq!(health.standing(20), Standing::Well);
    }

    #[test]
    fn a_share_of_failures_opens_the_circuit() {
        let health = health();
        (0..10).for_each(|_| health.answered(1, 1));
        let took_out = (0..10).filter(|_| health.failed(false, 2)).count();
        assert_eq!(took_out, 2, "ejected first, opened then");
        assert!(matches!(health.standing(3), Standing::Open(_)), "{:?}", health.standing(3));
        health.answered(1, 4);
        assert!(matches!(health.standing(5), Standing::Open(_)), "an answer that began before says nothing");
    }

    #[test]
    fn old_requests_do_not_count() {
        let health = health();
        for _ in 0..9 {
            health.failed(false, 1);
            health.answered(1, 1);
        }
        (0..4).for_each(|_| assert!(!health.failed(false, 20_000)));
        assert_eq!(health.standing(20_001), Standing::Well);
    }
}
