//! Cargo builds whose progress is shown on a terminal as a bar and in a log as a line now and then.
//!
//! Cargo counts its own units exactly; it only needs to be asked to print the count when nobody's terminal is
//! attached. This module reads that count from its standard error.

use std::{
    io::{BufReader, IsTerminal, Read},
    path::Path,
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{command, steps::short};

/// Between two lines of progress when the output is a log.
const LOG_EVERY: Duration = Duration::from_secs(20);

/// Silence after which a log says that the work goes on: the largest crate takes ten minutes, and cargo says nothing meanwhile.
const QUIET: Duration = Duration::from_mins(1);

/// What cargo said it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    done: u64,
    total: u64,
    now: String,
}

/// Runs cargo with `arguments` in `root`, showing what is compiled and how far it is.
///
/// # Errors
/// When cargo fails; its messages have been passed through by then.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = command::cargo(root);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "400");
    let colour = if std::io::stderr().is_terminal() { "always" } else { "never" };
    command.env("CARGO_TERM_COLOR", colour);
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", command::line(&command)))?;
    let stderr = child.stderr.take().context("cargo's standard error is not a pipe")?;
    let mut display = Display::new();
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || for_each_line(stderr, |line| drop(tell.send(line.to_owned()))));
    loop {
        match told.recv_timeout(QUIET) {
            Ok(line) => display.show(&line),
            Err(RecvTimeoutError::Timeout) => display.remind(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    reader.join().map_err(|_| anyhow!("cargo's messages could not be read"))??;
    display.finish();
    command::succeeded(&command, child.wait()?)
}

/// Calls `show` with each piece of text that ends in a line feed or, as progress does, in a carriage return.
fn for_each_line(input: impl Read, mut show: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for byte in BufReader::new(input).bytes() {
        match byte? {
            b'\n' | b'\r' if line.is_empty() => {}
            b'\n' | b'\r' => {
                show(&String::from_utf8_lossy(&line));
                line.clear();
            }
            byte => line.push(byte),
        }
    }
    show(&String::from_utf8_lossy(&line));
    Ok(())
}

/// The bar, or the occasional line.
struct Display {
    bar: Option<ProgressBar>,
    started: Instant,
    said: Instant,
    last: Option<Progress>,
}

impl Display {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("      {bar:30} {pos}/{len} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        Self { bar, started: Instant::now(), said: Instant::now(), last: None }
    }

    fn show(&mut self, line: &str) {
        let plain = without_colour(line);
        match progress(&plain) {
            Some(progress) => self.advance(progress),
            None if is_routine(&plain) => {}
            None => match &self.bar {
                Some(bar) => bar.println(line),
                None => eprintln!("{line}"),
            },
        }
    }

    fn advance(&mut self, progress: Progress) {
        self.last = Some(progress.clone());
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.now);
        } else if self.said.elapsed() >= LOG_EVERY {
            self.say(&progress);
        }
    }

    /// Nothing new for a while; a large crate is under way.
    fn remind(&mut self) {
        if let Some(progress) = self.last.clone().filter(|_| self.bar.is_none()) {
            self.say(&progress);
        }
    }

    fn say(&mut self, progress: &Progress) {
        self.said = Instant::now();
        let Progress { done, total, now } = progress;
        eprintln!("      compiled {done} of {total} after {}, now {now}", short(self.started.elapsed()));
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Reads `Building [==> ] 12/345: serde, tokio`.
fn progress(line: &str) -> Option<Progress> {
    let rest = line.trim_start().strip_prefix("Building")?;
    let (_, rest) = rest.split_once("] ")?;
    let (count, now) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = count.trim().split_once('/')?;
    Some(Progress { done: done.parse().ok()?, total: total.parse().ok()?, now: now.trim().to_owned() })
}

/// Lines that repeat what the progress says.
fn is_routine(line: &str) -> bool {
    const ROUTINE: [&str; 7] =
        ["Compiling ", "Checking ", "Downloading ", "Downloaded ", "Fresh ", "Finished ", "Executable "];
    let line = line.trim_start();
    line.is_empty() || ROUTINE.iter().any(|word| line.starts_with(word))
}

/// Drops terminal escapes such as `ESC [ 1 m`.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        // An escape ends with its first letter; `[` only opens it.
        let _ = characters.by_ref().find(|character| character.is_ascii_alphabetic());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_progress_is_read_through_colour() {
        let line = "\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [=====>    ] 12/345: serde, tokio(build)\u{1b}[K";
        let read = progress(&without_colour(line)).unwrap();
        assert_eq!(read, Progress { done: 12, total: 345, now: "serde, tokio(build)".to_owned() });
    }

    #[test]
    fn other_lines_are_not_progress() {
        for line in ["   Compiling serde v1.0.0", "warning: unused [x] 1/2", "Building something", ""] {
            assert_eq!(progress(line), None, "{line}");
        }
    }

    #[test]
    fn warnings_pass_and_routine_does_not() {
        assert!(is_routine("   Compiling serde v1.0.0") && is_routine("  "));
        assert!(!is_routine("warning: unused variable"));
    }

    #[test]
    fn lines_end_at_carriage_returns_too() {
        let mut seen = Vec::new();
        for_each_line("a\rb\n\nc".as_bytes(), |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["a", "b", "c"]);
    }
}
