//! `cargo xtask test`: every check, in the order in which a mistake is cheapest to learn.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, bail};
use clap::Args;

use crate::{command, compile, config_doc, deny, host, openapi, places, steps::Steps, tidy, up};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Start at this step.
    #[arg(long, value_name = "STEP", value_parser = names())]
    from: Option<String>,
    /// Run this step alone.
    #[arg(long, value_name = "STEP", value_parser = names(), conflicts_with = "from")]
    only: Option<String>,
    /// Handed to `cargo test` in the last step, e.g. `-- docx`.
    #[arg(last = true, value_name = "ARGS")]
    cargo_test: Vec<String>,
}

/// What every step can see.
struct Stage<'a> {
    root: PathBuf,
    cache: PathBuf,
    cargo_test: &'a [String],
}

struct Check {
    name: &'static str,
    title: &'static str,
    run: fn(&Stage<'_>) -> anyhow::Result<()>,
}

const CHECKS: [Check; 12] = [
    Check { name: "tools", title: "tools outside cargo, and the crates of Cargo.lock", run: tools },
    Check { name: "format", title: "format (cargo fmt --check)", run: format },
    Check { name: "tidy", title: "rules of the house (cargo xtask tidy)", run: |_| tidy::run() },
    Check {
        name: "deny",
        title: "bans, licences, sources (cargo deny check)",
        run: |s| deny::check(&s.root, &s.cache),
    },
    Check { name: "build", title: "build the server", run: |s| up::build(&s.root) },
    Check { name: "documents", title: "docs/openapi.json and docs/CONFIG.md say what the server does", run: documents },
    Check { name: "models", title: "model weights", run: |s| up::pull_models(&s.root, None) },
    Check { name: "clients", title: "official Python and Node clients", run: clients },
    Check { name: "ollama", title: "the real Ollama server (4 minutes at the first time)", run: ollama },
    Check { name: "milvus", title: "the real Milvus server (455 MB at the first time)", run: milvus },
    Check { name: "clippy", title: "lints (cargo clippy, warnings denied)", run: clippy },
    Check { name: "test", title: "unit tests, doc tests and walks (cargo test)", run: cargo_test },
];

fn names() -> [&'static str; CHECKS.len()] {
    CHECKS.map(|check| check.name)
}

/// Runs the chosen checks and stops at the first failure.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let stage = Stage { root: places::root()?, cache: places::cache()?, cargo_test: &args.cargo_test };
    let chosen = chosen(args)?;
    let mut steps = Steps::new(chosen.len());
    for check in &chosen {
        let repeat = format!("cargo xtask test --only {}", check.name);
        steps.run(check.title, &repeat, || (check.run)(&stage))?;
    }
    println!(
        "\nPassed: {} in {}.",
        chosen.iter().map(|check| check.name).collect::<Vec<_>>().join(", "),
        crate::steps::short(steps.elapsed())
    );
    Ok(())
}

fn chosen(args: &TestArgs) -> anyhow::Result<Vec<Check>> {
    let first = args.only.as_ref().or(args.from.as_ref());
    let skip = match first {
        None => 0,
        Some(name) => CHECKS.iter().position(|check| check.name == name).context("no such step")?,
    };
    let take = if args.only.is_some() { 1 } else { CHECKS.len() };
    let chosen: Vec<Check> = CHECKS.into_iter().skip(skip).take(take).collect();
    if chosen.is_empty() {
        bail!("no step was chosen");
    }
    Ok(chosen)
}

fn tools(stage: &Stage<'_>) -> anyhow::Result<()> {
    host::ensure(&[host::C_COMPILER, host::PYTHON, host::NODE, host::REDIS, host::POSTGRES])?;
    host::ensure_rust_components(&stage.root)?;
    command::run(command::cargo(&stage.root).args(["fetch", "--quiet"]))
}

fn format(stage: &Stage<'_>) -> anyhow::Result<()> {
    command::run(command::cargo(&stage.root).args(["fmt", "--all", "--check"])).context("`cargo fmt --all` mends this")
}

fn documents(stage: &Stage<'_>) -> anyhow::Result<()> {
    openapi::check(&stage.root)?;
    config_doc::check(&stage.root)
}

fn clippy(stage: &Stage<'_>) -> anyhow::Result<()> {
    let arguments = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    compile::cargo(&stage.root, &arguments)
}

/// The walks call the same script for what they need; calling it ahead keeps its time out of theirs.
fn clients(stage: &Stage<'_>) -> anyhow::Result<()> {
    command::run(command::program("bash", &stage.root).arg("tests/clients/install.sh").stdout(Stdio::null()))
}

/// As the clients: built ahead, so that no walk waits for a compiler.
fn ollama(stage: &Stage<'_>) -> anyhow::Result<()> {
    host::ensure(&[host::GO, host::C_COMPILER])?;
    command::run(command::program("bash", &stage.root).arg("tests/ollama/install.sh").stdout(Stdio::null()))
}

/// As the clients: installed ahead, so that no test waits for a download.
fn milvus(stage: &Stage<'_>) -> anyhow::Result<()> {
    command::run(command::program("bash", &stage.root).arg("tests/milvus/install.sh").stdout(Stdio::null()))
}

/// The tests of the two rooms that nothing depends on are compiled as they stand: optimising them takes minutes and changes
/// nothing they say. The server that the walks start was built, optimised, in a step before.
const QUICKLY: [&str; 4] = [
    "--config",
    "profile.release.package.kubemate-gateway.opt-level=0",
    "--config",
    "profile.release.package.kubemate-tests.opt-level=0",
];

/// Compiles first, with progress, then runs with the terminal handed to the tests.
fn cargo_test(stage: &Stage<'_>) -> anyhow::Result<()> {
    let arguments = [&QUICKLY[..], &["test", "--release", "--workspace"]].concat();
    compile::cargo(&stage.root, &[&arguments[..], &["--no-run"]].concat())?;
    let mut test = command::cargo(&stage.root);
    test.args(arguments).args(["--quiet", "--no-fail-fast"]).args(stage.cargo_test);
    test.stdin(Stdio::null());
    command::run(&mut test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(from: Option<&str>, only: Option<&str>) -> TestArgs {
        TestArgs { from: from.map(str::to_owned), only: only.map(str::to_owned), cargo_test: Vec::new() }
    }

    fn names_of(args: &TestArgs) -> Vec<&'static str> {
        chosen(args).unwrap().iter().map(|check| check.name).collect()
    }

    #[test]
    fn everything_runs_unless_told_otherwise() {
        assert_eq!(names_of(&args(None, None)), names());
    }

    #[test]
    fn from_goes_on_to_the_end_and_only_stops() {
        assert_eq!(names_of(&args(Some("clippy"), None)), ["clippy", "test"]);
        assert_eq!(names_of(&args(None, Some("tidy"))), ["tidy"]);
    }
}
