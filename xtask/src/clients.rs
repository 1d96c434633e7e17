//! Other people's programs that tests and benchmarks drive Kubemate with: Python venvs and Node folders,
//! made once per content of their list of packages and kept in the cache folder.

mod node;
mod python;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sha2::{Digest, Sha256};

pub(crate) use python::venv;

/// A variable for the tests' environment: its name and the path it holds.
pub(crate) type Variable = (String, PathBuf);

/// Installs every client that `tests/clients` asks for.
///
/// `python-requirements<-name>.txt` becomes a venv whose interpreter is in `KUBEMATE_PYTHON<_NAME>`;
/// `node<-name>/package.json` becomes a folder with `node_modules`, named by `KUBEMATE_NODE<_NAME>` and linked
/// beside the package.json so that scripts there can import what it lists.
pub(crate) fn prepare(root: &Path, cache: &Path) -> anyhow::Result<Vec<Variable>> {
    let folder = root.join("tests/clients");
    let mut variables = Vec::new();
    for entry in sorted(&folder)? {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(rest) = name.strip_prefix("python-requirements").and_then(|rest| rest.strip_suffix(".txt")) {
            variables.push((variable("KUBEMATE_PYTHON", rest), venv(&entry, &format!("python{rest}"), cache)?));
        } else if name.starts_with("node") && entry.join("package.json").is_file() {
            let rest = name.strip_prefix("node").unwrap_or_default();
            variables.push((variable("KUBEMATE_NODE", rest), node::modules(&entry, &name, cache)?));
        }
    }
    Ok(variables)
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// `KUBEMATE_PYTHON` and `-openai-previous` make `KUBEMATE_PYTHON_OPENAI_PREVIOUS`.
fn variable(base: &str, rest: &str) -> String {
    format!("{base}{}", rest.replace(['-', '.'], "_").to_uppercase())
}

/// A folder `<cache>/clients/<name>-<hash of inputs>` that `fill` completed once, with `<cache>/clients/<name>`
/// pointing at the newest.
fn filled(
    cache: &Path,
    name: &str,
    inputs: &[&[u8]],
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let clients = cache.join("clients");
    fs::create_dir_all(&clients).with_context(|| format!("cannot make {}", clients.display()))?;
    // Two checkouts may prepare at once; the second waits and finds the work done.
    let lock = fs::File::create(clients.join(".lock"))?;
    lock.lock()?;
    let folder = clients.join(format!("{name}-{}", fingerprint(inputs)));
    let complete = folder.join(".complete");
    if !complete.is_file() {
        if folder.exists() {
            fs::remove_dir_all(&folder)?; // an interrupted attempt
        }
        fs::create_dir_all(&folder)?;
        fill(&folder)?;
        fs::write(&complete, "")?;
    }
    point(&clients.join(name), &folder)?;
    Ok(folder)
}

fn fingerprint(inputs: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for input in inputs {
        hasher.update((input.len() as u64).to_le_bytes());
        hasher.update(input);
    }
    let mut text = hex::encode(hasher.finalize());
    text.truncate(12);
    text
}

/// Makes `link` point at `target`, replacing a link that was there.
fn point(link: &Path, target: &Path) -> anyhow::Result<()> {
    if fs::read_link(link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(link)?;
    }
    symlink(target, link).with_context(|| format!("cannot link {} to {}", link.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_the_file() {
        assert_eq!(variable("KUBEMATE_PYTHON", ""), "KUBEMATE_PYTHON");
        assert_eq!(variable("KUBEMATE_NODE", "-openai-6"), "KUBEMATE_NODE_OPENAI_6");
    }

    #[test]
    fn a_folder_is_filled_once_and_again_after_an_interruption() {
        let cache = tempfile::tempdir().unwrap();
        let mut fills = 0;
        let mut fill = |inputs: &[&[u8]], fails: &str| {
            filled(cache.path(), "python", inputs, |folder| {
                fills += 1;
                fs::write(folder.join("half"), "")?;
                anyhow::ensure!(fails.is_empty(), "interrupted");
                Ok(())
            })
        };
        assert!(fill(&[b"a"], "yes").is_err());
        let first = fill(&[b"a"], "").unwrap();
        assert_eq!(fill(&[b"a"], "").unwrap(), first);
        let second = fill(&[b"b"], "").unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read_link(cache.path().join("clients/python")).unwrap(), second);
        assert_eq!(fills, 3);
    }

    #[test]
    fn inputs_are_told_apart_by_their_borders() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
