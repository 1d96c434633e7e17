//! Python venvs with pinned packages, made once per content of their list and kept in the cache folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::command;

/// The interpreter of a venv that holds exactly what `requirements` lists, made on first use.
///
/// # Errors
/// When the list cannot be read, or venv or pip fail.
pub(crate) fn interpreter(requirements: &Path, name: &str, cache: &Path) -> anyhow::Result<PathBuf> {
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

/// A folder `<cache>/venvs/<name>-<hash of inputs>` that `fill` completed once.
fn filled(
    cache: &Path,
    name: &str,
    inputs: &[&[u8]],
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let venvs = cache.join("venvs");
    fs::create_dir_all(&venvs).with_context(|| format!("cannot make {}", venvs.display()))?;
    // Two checkouts may prepare at once; the second waits and finds the work done.
    let lock = fs::File::create(venvs.join(".lock"))?;
    lock.lock()?;
    let folder = venvs.join(format!("{name}-{}", fingerprint(inputs)));
    // A venv holds absolute paths and cannot be renamed into place, so a file inside says that it is whole.
    let complete = folder.join(".complete");
    if !complete.is_file() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?; // an interrupted attempt
        }
        fs::create_dir_all(&folder)?;
        fill(&folder)?;
        fs::write(&complete, "")?;
    }
    Ok(folder)
}

fn fingerprint(inputs: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for input in inputs {
        hasher.update((input.len() as u64).to_le_bytes());
        hasher.update(input);
    }
    let mut text = hex::encode(hasher.finalize());
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_and_again_after_an_interruption() {
        let cache = tempfile::tempdir().unwrap();
        let mut fills = 0;
        let mut fill = |inputs: &[&[u8]], interrupted: &str| {
            filled(cache.path(), "python", inputs, |folder| {
                fills += 1;
                fs::write(folder.join("half"), "")?;
                anyhow::ensure!(interrupted.is_empty(), "interrupted");
                Ok(())
            })
        };
        assert!(fill(&[b"a"], "yes").is_err());
        let first = fill(&[b"a"], "").unwrap();
        assert_eq!(fill(&[b"a"], "").unwrap(), first);
        assert_ne!(fill(&[b"b"], "").unwrap(), first);
        assert_eq!(fills, 3);
    }

    #[test]
    fn inputs_are_told_apart_by_their_borders() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
