//! `cargo xtask tidy`: the rules of the house that neither compiler nor clippy knows.
//!
//! Each rule is a pure function from what was read to findings, with its tests beside it.

mod features;
mod floors;
mod links;
mod manifests;
mod names;
mod sources;
mod vendors;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::places;
use manifests::Room;

/// One breach of a rule: where, what, and what to do instead.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    place: String,
    message: String,
}

impl Finding {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Checks every rule and prints what breaks one.
///
/// # Errors
/// When there is any finding, or the repository cannot be read.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = places::root()?;
    let rooms = manifests::rooms(&places::metadata()?)?;
    let files = files_below(&root)?;
    let mut findings = check(&root, &rooms, &files)?;
    findings.extend(features::check(&root)?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} rooms and {} files keep the rules", rooms.len(), files.len()),
        count => bail!("tidy found {count} breaches of the rules in docs/ARCHITECTURE.md and CONTRIBUTING.md"),
    }
    Ok(())
}

fn check(root: &Path, rooms: &[Room], files: &[PathBuf]) -> anyhow::Result<Vec<Finding>> {
    let read = |path: &Path| {
        let full = root.join(path);
        fs::read_to_string(&full).with_context(|| format!("cannot read {}", full.display()))
    };
    let mut findings = floors::check(rooms);
    findings.extend(manifests::check(rooms));
    findings.extend(vendors::check(rooms, &vendors::table(&read(Path::new("deny.toml"))?)?));
    findings.extend(names::check(rooms, files));
    for path in files {
        let place = path.to_string_lossy();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => findings.extend(sources::check(&place, &read(path)?)),
            Some("md") => findings.extend(links::check(root, path, &read(path)?)),
            _ => {}
        }
    }
    Ok(findings)
}

/// Every file of the repository, relative to its root, in order; folders that hold no sources are left out.
fn files_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_left_out(&entry.file_name().to_string_lossy()) {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path().strip_prefix(root)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_left_out(folder: &str) -> bool {
    folder.starts_with('.') || matches!(folder, "target" | "node_modules" | "data" | "__pycache__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_in_order_without_what_was_built() {
        let root = tempfile::tempdir().unwrap();
        for path in ["b/src/lib.rs", "a.md", "target/release/x.rs", ".git/HEAD", "b/node_modules/y.md"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = files_below(root.path()).unwrap();
        assert_eq!(files, [PathBuf::from("a.md"), PathBuf::from("b/src/lib.rs")]);
    }
}
