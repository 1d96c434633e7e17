//! `cargo xtask bench`: Kubemate and its peers measured one after the other on one machine, as ratios.
//!
//! Ours is an example named `<name>_bench` in the room that it measures; the peer is `tests/bench/<name>_peer.py`. Both
//! print one JSON document on standard output, `{"name", "rows": [{"what", "ours" | "peer", "unit"}]}`, and are given the
//! same files as arguments. This module joins the rows by `what` and `unit`.
//!
//! `gateway` is another kind: servers under load, all of them at once; see its module.

mod data;
mod gateway;
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use cargo_metadata::{Metadata, TargetKind};
use clap::Args;

use crate::{command, compile, host, places, steps::Steps, up, venv};
pub(crate) use data::file;
use report::Report;
pub(crate) use report::on_this_machine;

const SUFFIX: &str = "_bench";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Which ones: embed, chat, parse, gateway [default: all].
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    gateway: gateway::GatewayArgs,
}

/// Runs the chosen benchmarks, prints their tables and writes docs/bench/<name>.json.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let root = places::root()?;
    let known = known(&places::metadata()?);
    let chosen = chosen(&args.names, &known)?;
    let mut steps = Steps::new(chosen.len() + 1);
    steps.run("build the server and fetch the models", "cargo xtask up", || {
        host::ensure(&[host::C_COMPILER, host::PYTHON])?;
        if chosen.iter().any(|name| name != gateway::NAME) || args.gateway.builds() {
            up::build(&root)?;
        }
        // In front of other servers it needs none.
        if chosen.iter().any(|name| name != gateway::NAME) { up::pull_models(&root, None) } else { Ok(()) }
    })?;
    for name in chosen {
        let again = format!("cargo xtask bench {name}");
        steps.run(&format!("bench {name}"), &again, || match name.as_str() {
            gateway::NAME => gateway::run(&root, &args.gateway),
            name => measure(&root, name),
        })?;
    }
    Ok(())
}

/// Names of all benchmarks in the workspace.
fn known(metadata: &Metadata) -> Vec<String> {
    let targets = metadata.packages.iter().flat_map(|package| &package.targets);
    let examples = targets.filter(|target| target.kind.contains(&TargetKind::Example));
    let mut names: Vec<String> =
        examples.filter_map(|target| target.name.strip_suffix(SUFFIX)).map(str::to_owned).collect();
    names.push(gateway::NAME.to_owned());
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
    let cache = places::cache()?;
    let files = data::files(root, name, &cache)?;
    let example = format!("{name}{SUFFIX}");
    compile::cargo(root, &["build", "--release", "--workspace", "--example", &example])?;
    println!("      measuring ours");
    let mut report = printed(root, places::release()?.join("examples").join(&example), None, &files)?;
    let peer = root.join(format!("tests/bench/{name}_peer.py"));
    if peer.is_file() {
        let python =
            venv::interpreter(&root.join(format!("tests/bench/{name}_peer.txt")), &format!("bench-{name}"), &cache)?;
        println!("      measuring the peer");
        report.join(printed(root, python, Some(&peer), &files)?);
    }
    println!("{report}");
    keep(root, name, &report)
}

/// What a program reports about `files`.
fn printed(root: &Path, program: PathBuf, script: Option<&Path>, files: &[PathBuf]) -> anyhow::Result<Report> {
    let mut program = command::program(program, root);
    program.args(script).args(files).env("KUBEMATE_BIN", places::kubemate()?);
    program.env("KUBEMATE_CACHE", places::cache()?);
    program.stdin(Stdio::null()).stderr(Stdio::inherit());
    let printed = command::read(&mut program)?;
    Report::read(&printed)
        .with_context(|| format!("`{}` printed something else than its report", command::line(&program)))
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
