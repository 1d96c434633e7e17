//! Node packages, installed outside the clone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{filled, point};
use crate::command;

/// A folder whose `node_modules` hold what `source`'s package.json (and lock file) list; `source` gets a link
/// to them.
///
/// # Errors
/// When npm fails or the link cannot be made.
pub(crate) fn modules(source: &Path, name: &str, cache: &Path) -> anyhow::Result<PathBuf> {
    let package = source.join("package.json");
    let list = fs::read(&package).with_context(|| format!("cannot read {}", package.display()))?;
    let lock = fs::read(source.join("package-lock.json")).unwrap_or_default();
    let folder = filled(cache, name, &[&list, &lock], |folder| install(source, name, folder))?;
    point(&source.join("node_modules"), &folder.join("node_modules"))?;
    Ok(folder)
}

fn install(source: &Path, name: &str, folder: &Path) -> anyhow::Result<()> {
    println!("      installing the Node packages of {name} (once)");
    fs::copy(source.join("package.json"), folder.join("package.json"))?;
    let locked = source.join("package-lock.json");
    if locked.is_file() {
        fs::copy(locked, folder.join("package-lock.json"))?;
    }
    let verb = if folder.join("package-lock.json").is_file() { "ci" } else { "install" };
    let mut npm = Command::new("npm");
    npm.args([verb, "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    command::run(&mut npm)
}
