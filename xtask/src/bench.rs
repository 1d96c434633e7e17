//! `cargo xtask bench`: Kubemate and its peers measured in one run on one machine, as ratios.
//!
//! A benchmark is an example named `bench_<name>` in the room that it measures. It prints one JSON document on
//! standard output, `{"name", "rows": [{"what", "ours", "peer", "unit", "ratio"}]}`, and what it is doing on
//! standard error. Peers written in Python get a venv from `tests/bench/requirements-<name>.txt`; the example finds
//! its interpreter in `KUBEMATE_BENCH_PYTHON`.

mod report;

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context, bail};
use cargo_metadata::{Metadata, TargetKind};
use clap::Args;

use crate::{command, compile, host, places, steps::Steps, up, venv};
use report::Report;

const PREFIX: &str = "bench_";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Which ones: embed, chat, parse [default: all].
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Runs the chosen benchmarks, prints their tables and writes docs/bench/<name>.json.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let root = places::root()?;
    let known = known(&places::metadata()?);
    let chosen = chosen(&args.names, &known)?;
    let mut steps = Steps::new(chosen.len() + 1);
    steps.run("build the server and fetch the models", "cargo xtask up", || {
        up::build(&root)?;
        up::pull_models(&root)
    })?;
    for name in chosen {
        let again = format!("cargo xtask bench {name}");
        steps.run(&format!("bench {name}"), &again, || measure(&root, &name))?;
    }
    Ok(())
}

/// Names of all benchmarks in the workspace.
fn known(metadata: &Metadata) -> Vec<String> {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let examples = targets.filter(|target| target.kind.contains(&TargetKind::Example));
    let mut names: Vec<String> =
        examples.filter_map(|target| target.name.strip_prefix(PREFIX)).map(str::to_owned).collect();
    names.sort();
    names
}

fn chosen(asked: &[String], known: &[String]) -> anyhow::Result<Vec<String>> {
    if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
        bail!("no benchmark `{unknown}`; there are: {}", known.join(", "));
    }
    Ok(if asked.is_empty() { known } else { asked }.to_vec())
}

fn measure(root: &Path, name: &str) -> anyhow::Result<()> {
    let example = format!("{PREFIX}{name}");
    compile::cargo(root, &["build", "--release", "--workspace", "--example", &example])?;
    let cache = places::cache()?;
    let mut program = command::program(places::release()?.join("examples").join(&example), root);
    program.stdin(Stdio::null()).stderr(Stdio::inherit());
    program.env("KUBEMATE_CACHE", &cache).env("KUBEMATE_BIN", places::kubemate()?);
    let requirements = root.join(format!("tests/bench/requirements-{name}.txt"));
    if requirements.is_file() {
        host::ensure(&[host::PYTHON])?;
        let python = venv::interpreter(&requirements, &format!("bench-{name}"), &cache)?;
        program.env("KUBEMATE_BENCH_PYTHON", python);
    }
    let printed = command::read(&mut program)?;
    let report = Report::read(&printed).with_context(|| format!("{example} printed something else than its report"))?;
    println!("{report}");
    keep(root, name, &report)
}

fn keep(root: &Path, name: &str, report: &Report) -> anyhow::Result<()> {
    let file = root.join("docs/bench").join(format!("{name}.json"));
    fs::create_dir_all(root.join("docs/bench"))?;
    fs::write(&file, report.with_machine(root)?).with_context(|| format!("cannot write {}", file.display()))?;
    println!("      kept in docs/bench/{name}.json");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_run_unless_some_are_named_and_a_typo_lists_them() {
        let known = ["chat", "embed"].map(str::to_owned);
        assert_eq!(chosen(&[], &known).unwrap(), known);
        assert_eq!(chosen(&["embed".to_owned()], &known).unwrap(), ["embed"]);
        let error = chosen(&["ebmed".to_owned()], &known).unwrap_err();
        assert_eq!(error.to_string(), "no benchmark `ebmed`; there are: chat, embed");
    }
}
