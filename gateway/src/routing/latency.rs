//! First-token times as one number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// After this long a sample weighs a third. Source: Finagle's peak EWMA balancer.
const DECAY_MS: f64 = 10_000.0;

/// A moving average that follows a slower answer at once and faster ones slowly. Without answers it fades, so that a
/// target that was slow once is tried again. Lost updates between threads only make it a little older.
#[derive(Debug, Default)]
pub(super) struct PeakEwma {
    micros: AtomicU64,
    at: AtomicU64,
}

impl PeakEwma {
    pub(super) fn observe(&self, micros: u64, now: u64) {
        let before = self.micros.load(Relaxed);
        let next = if micros >= before {
            micros
        } else {
            let weight = self.weight(now);
            (before as f64 * weight + micros as f64 * (1.0 - weight)) as u64
        };
        self.micros.store(next, Relaxed);
        self.at.store(now, Relaxed);
    }

    /// Microseconds; 0 when nothing was observed, or long ago.
    pub(super) fn micros(&self, now: u64) -> u64 {
        (self.micros.load(Relaxed) as f64 * self.weight(now)) as u64
    }

    fn weight(&self, now: u64) -> f64 {
        (-(now.saturating_sub(self.at.load(Relaxed)) as f64) / DECAY_MS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let average = PeakEwma::default();
        average.observe(1000, 1);
        average.observe(9000, 2);
        assert_eq!(average.micros(2), 9000);
        average.observe(1000, 1002);
        let after = average.micros(1002);
        assert!((8000..9000).contains(&after), "{after}");
        assert!(average.micros(60_000) < 100);
    }
}
