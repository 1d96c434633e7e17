//! Whether a step is faster on one thread or on all of them.
//!
//! Threads of a step wait for each other some hundred times a token. On an idle machine two threads are half again
//! as fast as one; on a busy one each wait can cost a time slice of another process, and one thread is faster. Both
//! are seen on the same machine within a minute, so it is measured, not configured.

/// Each step the estimate of the way not in use shrinks by this factor, until it is worth another try: one that
/// was three times as slow is tried again after 220 steps, some seconds.
const FORGET: f64 = 0.995;
/// Weight of the newest step.
const NEWEST: f64 = 0.15;
/// A step counts for at most so many times the mean: one time slice lost to another process says little.
const OUTLIER: f64 = 4.0;
/// Rows of a step up to which it belongs to a class; steps of a class take about the same time per row.
const CLASSES: [usize; 3] = [1, 4, 16];

/// Measures steps and chooses.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    classes: [Class; CLASSES.len() + 1],
}

/// Seconds per row of both ways.
#[derive(Debug, Default)]
struct Class {
    alone: Option<f64>,
    together: Option<f64>,
}

impl Pace {
    /// Whether a step of so many rows should be computed by all threads.
    pub(crate) fn together(&mut self, rows: usize) -> bool {
        match self.class(rows) {
            Class { together: None, .. } => true,
            Class { alone: None, .. } => false,
            Class { alone: Some(alone), together: Some(together) } => together <= alone,
        }
    }

    /// Notes what a step took.
    pub(crate) fn note(&mut self, rows: usize, together: bool, seconds: f64) {
        let Class { alone, together: all } = self.class(rows);
        let (used, other) = if together { (all, alone) } else { (alone, all) };
        let newest = seconds / rows.max(1) as f64;
        *used = Some(used.map_or(newest, |mean| mean + NEWEST * (newest.min(mean * OUTLIER) - mean)));
        *other = other.map(|mean| mean * FORGET);
    }

    fn class(&mut self, rows: usize) -> &mut Class {
        let [one, few, some, many] = &mut self.classes;
        match CLASSES.iter().position(|most| rows <= *most) {
            Some(0) => one,
            Some(1) => few,
            Some(_) => some,
            None => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    /// Of `steps` steps, how many were computed by all threads.
    fn together(pace: &mut Pace, steps: u32, alone: f64, all: f64) -> u32 {
        (0..steps)
            .map(|_| {
                let together = pace.together(1);
                pace.note(1, together, if together { all } else { alone });
                u32::from(together)
            })
            .sum()
    }

    #[test]
    fn the_faster_way_is_used_and_the_other_tried() {
        let mut pace = Pace::default();
        assert!(together(&mut pace, 1000, 2.0, 1.0) >= 950);
        assert!(together(&mut pace, 1000, 1.0, 5.0) <= 30, "a machine that became busy is noticed");
        assert!(together(&mut pace, 1000, 2.0, 1.0) >= 900, "and one that became idle");
    }

    #[test]
    fn one_lost_time_slice_changes_nothing_for_long() {
        let mut pace = Pace::default();
        together(&mut pace, 100, 2.0, 1.0);
        pace.note(1, true, 500.0);
        assert!(together(&mut pace, 50, 2.0, 1.0) >= 45);
    }

    #[test]
    fn sizes_are_told_apart() {
        let mut pace = Pace::default();
        together(&mut pace, 4, 1.0, 5.0);
        assert!(pace.together(200), "nothing is known of long steps");
    }
}
