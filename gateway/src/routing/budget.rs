//! How many second tries an upstream is given.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::config::RetriesConfig;

/// A try in thousandths, so that shares are whole numbers.
const TRY: i64 = 1000;
/// Most tries that first requests can save up: those of a thousand requests at one in five.
const MOST: i64 = 200 * TRY;

/// Every first request saves up a share of a try, and a few tries a second are free. So second tries stay a share of the
/// load however much fails: retries cannot keep an upstream down that is coming back.
#[derive(Debug)]
pub(super) struct RetryBudget {
    share: i64,
    per_second: i64,
    saved: AtomicI64,
    refilled: AtomicU64,
}

impl RetryBudget {
    pub(super) fn new(config: &RetriesConfig) -> Self {
        let per_second = i64::from(config.per_second);
        Self {
            share: (config.ratio * TRY as f64) as i64,
            per_second,
            saved: AtomicI64::new(per_second * TRY),
            refilled: AtomicU64::new(0),
        }
    }

    /// A first request came.
    pub(super) fn deposit(&self) {
        if self.saved.load(Relaxed) < MOST {
            self.saved.fetch_add(self.share, Relaxed);
        }
    }

    /// Takes a try, if there is one.
    pub(super) fn withdraw(&self, now: u64) -> bool {
        self.refill(now);
        let take = |saved: i64| (saved >= TRY).then_some(saved - TRY);
        self.saved.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// The free tries fill up to those of one second.
    fn refill(&self, now: u64) {
        let last = self.refilled.swap(now, Relaxed);
        let passed = i64::try_from(now.saturating_sub(last)).unwrap_or(i64::MAX).min(TRY);
        let full = self.per_second * TRY;
        let fill = |saved: i64| (saved < full).then(|| (saved + passed * self.per_second).min(full));
        let _full_already = self.saved.fetch_update(Relaxed, Relaxed, fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_and_ten_a_second() {
        let budget = RetryBudget::new(&RetriesConfig::default());
        let drawn = |now: u64| (0..10_000).filter(|_| budget.withdraw(now)).count();
        assert_eq!(drawn(1), 10);
        (0..500).for_each(|_| budget.deposit());
        assert_eq!(drawn(1), 100);
        assert_eq!(drawn(501), 5);
        assert_eq!(drawn(60_000), 10, "free tries do not pile up");
    }
}
