//! Steps that are announced with their number and time, and stop at the first failure.

use std::time::{Duration, Instant};

use anyhow::anyhow;

/// Announces steps and times them.
#[derive(Debug)]
pub(crate) struct Steps {
    total: usize,
    done: usize,
    started: Instant,
}

impl Steps {
    /// Announces `total` steps from now on.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: 0, started: Instant::now() }
    }

    /// Runs one step. `repeat` is the command that runs this step alone, shown when it fails.
    ///
    /// # Errors
    /// What the step says, between its title and `repeat`.
    pub(crate) fn run<T>(
        &mut self,
        title: &str,
        repeat: &str,
        step: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.done += 1;
        println!("\n[{}/{}] {title}", self.done, self.total);
        let started = Instant::now();
        let result = step().map_err(|error| anyhow!("{title}: {error:#}\n  repeat this step with: {repeat}"))?;
        println!("      ok, {} (since start {})", short(started.elapsed()), short(self.started.elapsed()));
        Ok(result)
    }

    /// Time since the first step began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=99 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let said: Vec<_> = [400, 12_300, 200_000].map(Duration::from_millis).into_iter().map(short).collect();
        assert_eq!(said, ["0.4 s", "12 s", "3 min 20 s"]);
    }

    #[test]
    fn a_failed_step_names_the_command_that_repeats_it() {
        let failed: anyhow::Result<()> = Steps::new(1).run("clippy", "cargo clippy", || anyhow::bail!("two lints"));
        let message = format!("{:#}", failed.unwrap_err());
        assert!(
            message.ends_with("repeat this step with: cargo clippy") && message.starts_with("clippy: two lints"),
            "{message}"
        );
    }
}
