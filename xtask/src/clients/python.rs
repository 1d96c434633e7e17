//! Python venvs with pinned packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::filled;
use crate::command;

/// The interpreter of a venv that holds exactly what `requirements` lists, made on first use.
///
/// # Errors
/// When the list cannot be read, or venv or pip fail.
pub(crate) fn venv(requirements: &Path, name: &str, cache: &Path) -> anyhow::Result<PathBuf> {
    let list = fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let version = command::read(Command::new("python3").arg("--version"))?;
    let folder = filled(cache, name, &[&list, version.as_bytes()], |folder| install(requirements, folder))?;
    Ok(folder.join("bin/python"))
}

fn install(requirements: &Path, folder: &Path) -> anyhow::Result<()> {
    let name = requirements.file_name().unwrap_or_default().to_string_lossy();
    println!("      installing the Python packages of {name} (once)");
    command::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"]);
    command::run(pip.arg(requirements))
}
