//! `cargo xtask quality`: how well search finds, on questions made of Debian's documentation, beside its peers.
//!
//! The measuring is tests/quality/quality.py; this module brings what it needs: the server, its models, the packages with
//! the documents, and the Python packages of the peers.

use std::{fs, path::Path, process::Stdio};

use anyhow::Context;
use clap::Args;

use crate::{bench, command, host, places, steps::Steps, up, venv};

/// Debian's packages with a file of each that is read.
const BOOKS: [(&str, &str); 7] = [
    ("debian-faq-zh-cn", "usr/share/doc/debian/FAQ/zh-cn/choosing.zh-cn.html"),
    ("debian-faq", "usr/share/doc/debian/FAQ/choosing.en.html"),
    ("debian-reference-zh-cn", "usr/share/debian-reference/ch01.zh-cn.html"),
    ("debian-reference-en", "usr/share/debian-reference/ch01.en.html"),
    ("libreoffice-help-zh-cn", "usr/share/libreoffice/help/zh-CN/text/scalc/guide/auto_off.html"),
    ("libreoffice-help-en-us", "usr/share/libreoffice/help/en-US/text/scalc/guide/auto_off.html"),
    ("manpages-zh", "usr/share/man/zh_CN/man1/ls.1.gz"),
];

#[derive(Debug, Args)]
pub(crate) struct QualityArgs {
    /// Which sets, such as debian-faq [default: all]
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// No more documents of a set than this, for a quick look; nothing is kept then
    #[arg(long, value_name = "COUNT")]
    questions: Option<usize>,
    /// Ask the half on which weights may be learned, and try weights; nothing is kept then
    #[arg(long)]
    dev: bool,
    /// Measure all-MiniLM-L6-v2, too, which knows no Chinese
    #[arg(long)]
    minilm: bool,
}

/// Measures, prints the table and writes docs/bench/quality.json.
pub(crate) fn run(args: &QualityArgs) -> anyhow::Result<()> {
    let (root, cache) = (places::root()?, places::cache()?);
    let mut steps = Steps::new(3);
    steps.run("build the server and fetch the models", "cargo xtask up", || {
        host::ensure(&[host::C_COMPILER, host::PYTHON])?;
        up::build(&root)?;
        up::pull_models(&root, None)
    })?;
    let python = steps.run("fetch the documents and the peers", "cargo xtask quality", || {
        for (package, file) in BOOKS.iter().filter(|(package, _)| args.wants(package)) {
            bench::file(package, file, &cache)?;
        }
        let torch = venv::interpreter(&root.join("tests/bench/embed_peer.txt"), "bench-embed", &cache)?;
        Ok((venv::interpreter(&root.join("tests/quality/requirements.txt"), "quality", &cache)?, torch))
    })?;
    steps.run("ask all questions", "cargo xtask quality", || measure(&root, args, &python.0, &python.1))
}

impl QualityArgs {
    fn wants(&self, set: &str) -> bool {
        self.sets.is_empty() || self.sets.iter().any(|wanted| wanted == set)
    }

    /// Whether everything was measured that is reported.
    fn is_whole(&self) -> bool {
        self.sets.is_empty() && self.questions.is_none() && !self.dev
    }
}

fn measure(root: &Path, args: &QualityArgs, python: &Path, torch: &Path) -> anyhow::Result<()> {
    let mut program = command::program(python, root);
    program.arg("tests/quality/quality.py").arg(places::kubemate()?).arg(places::cache()?).arg(torch);
    if !args.sets.is_empty() {
        program.arg("--sets").arg(args.sets.join(","));
    }
    if let Some(questions) = args.questions {
        program.arg("--questions").arg(questions.to_string());
    }
    program.args(args.dev.then_some("--half=dev")).args(args.minilm.then_some("--minilm"));
    program.stdin(Stdio::null()).stderr(Stdio::inherit());
    let printed = command::read(&mut program)?;
    let report: serde_json::Value = serde_json::from_str(&printed).context("quality.py printed no report")?;
    if !args.is_whole() {
        return Ok(());
    }
    let file = root.join("docs/bench/quality.json");
    fs::write(&file, bench::on_this_machine(&report, root)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("      kept in docs/bench/quality.json");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_is_kept() {
        let all = QualityArgs { sets: Vec::new(), questions: None, dev: false, minilm: false };
        assert!(all.is_whole() && all.wants("debian-faq"));
        let one = QualityArgs { sets: vec!["debian-faq".to_owned()], ..all };
        assert!(!one.is_whole() && one.wants("debian-faq") && !one.wants("manpages-zh"));
    }
}
