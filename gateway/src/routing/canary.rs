//! A target on trial beside those that it is to replace.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;

use super::config::CanaryConfig;

/// Both sides of a comparison, and how it came out.
#[derive(Debug)]
pub(super) struct Comparison {
    config: CanaryConfig,
    stable: Arm,
    canary: Arm,
    since: AtomicU64,
    rolled_back: AtomicBool,
}

#[derive(Debug, Default)]
struct Arm {
    answered: AtomicU32,
    failed: AtomicU32,
    /// First-token times together.
    micros: AtomicU64,
}

/// Why a canary was rolled back, in words for the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum Verdict {
    /// Shares of failures, canary and stable.
    Errors(f64, f64),
    /// First-token times in microseconds, canary and stable.
    Latency(f64, f64),
}

impl Comparison {
    pub(super) fn new(config: CanaryConfig) -> Self {
        Self {
            config,
            stable: Arm::default(),
            canary: Arm::default(),
            since: AtomicU64::new(0),
            rolled_back: AtomicBool::new(false),
        }
    }

    /// Whether the canary gets nothing any more.
    pub(super) fn is_rolled_back(&self) -> bool {
        self.rolled_back.load(Relaxed)
    }

    /// A request of one side was answered after `first_token`.
    pub(super) fn answered(&self, canary: bool, first_token: Duration, now: u64) -> Option<Verdict> {
        self.renew(now);
        let arm = self.arm(canary);
        arm.answered.fetch_add(1, Relaxed);
        arm.micros.fetch_add(u64::try_from(first_token.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.judge(canary)
    }

    /// A request of one side failed.
    pub(super) fn failed(&self, canary: bool, now: u64) -> Option<Verdict> {
        self.renew(now);
        self.arm(canary).failed.fetch_add(1, Relaxed);
        self.judge(canary)
    }

    fn arm(&self, canary: bool) -> &Arm {
        if canary { &self.canary } else { &self.stable }
    }

    fn renew(&self, now: u64) {
        let window = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.since.load(Relaxed)) > window {
            self.since.store(now, Relaxed);
            self.stable.clear();
            self.canary.clear();
        }
    }

    /// The verdict, given once.
    fn judge(&self, canary: bool) -> Option<Verdict> {
        if !canary || self.is_rolled_back() || self.canary.all() < self.config.requests {
            return None;
        }
        let verdict = self.compare()?;
        (!self.rolled_back.swap(true, Relaxed)).then_some(verdict)
    }

    fn compare(&self) -> Option<Verdict> {
        let (trial, usual) = (self.canary.failures(), self.stable.failures());
        if trial > usual + self.config.error_rate {
            return Some(Verdict::Errors(trial, usual));
        }
        if self.stable.answered.load(Relaxed) < self.config.requests {
            return None;
        }
        let (trial, usual) = (self.canary.first_token()?, self.stable.first_token()?);
        (trial > usual * self.config.latency).then_some(Verdict::Latency(trial, usual))
    }
}

impl Arm {
    fn all(&self) -> u32 {
        self.answered.load(Relaxed).saturating_add(self.failed.load(Relaxed))
    }

    fn failures(&self) -> f64 {
        f64::from(self.failed.load(Relaxed)) / f64::from(self.all().max(1))
    }

    fn first_token(&self) -> Option<f64> {
        let answered = self.answered.load(Relaxed);
        (answered > 0).then(|| self.micros.load(Relaxed) as f64 / f64::from(answered))
    }

    fn clear(&self) {
        self.answered.store(0, Relaxed);
        self.failed.store(0, Relaxed);
        self.micros.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(10);

    fn compared(canary: impl Fn(&Comparison, u32) -> Option<Verdict>) -> (Option<Verdict>, bool) {
        let comparison = Comparison::new(CanaryConfig::default());
        (0..200).for_each(|_| assert_eq!(comparison.answered(false, FAST, 1), None));
        let verdicts: Vec<Verdict> = (0..100).filter_map(|at| canary(&comparison, at)).collect();
        assert!(verdicts.len() < 2, "given once: {verdicts:?}");
        (verdicts.into_iter().next(), comparison.is_rolled_back())
    }

    #[test]
    fn a_canary_as_good_as_the_others_stays() {
        assert_eq!(compared(|both, _| both.answered(true, FAST, 2)), (None, false));
    }

    #[test]
    fn one_that_fails_more_goes() {
        let (verdict, gone) = compared(|both, at| match at % 10 {
            0 => both.failed(true, 2),
            _ => both.answered(true, FAST, 2),
        });
        assert!(matches!(verdict, Some(Verdict::Errors(..))) && gone, "{verdict:?}");
    }

    #[test]
    fn one_that_is_slower_goes() {
        let (verdict, gone) = compared(|both, _| both.answered(true, FAST * 3, 2));
        assert!(matches!(verdict, Some(Verdict::Latency(..))) && gone, "{verdict:?}");
    }
}
