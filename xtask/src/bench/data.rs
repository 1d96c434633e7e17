//! Files to measure with: books that Debian packages hold, downloaded once, nothing installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::command;

/// The files that `tests/bench/<name>_files.txt` lists, one `<package> <path inside>` a line; none without a list.
///
/// # Errors
/// When a package cannot be downloaded or does not hold the path.
pub(crate) fn files(root: &Path, name: &str, cache: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = root.join(format!("tests/bench/{name}_files.txt"));
    let Ok(text) = fs::read_to_string(&list) else {
        return Ok(Vec::new());
    };
    entries(&text)?.into_iter().map(|(package, path)| file(package, path, cache)).collect()
}

fn entries(text: &str) -> anyhow::Result<Vec<(&str, &str)>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').with_context(|| format!("not `<package> <path>`: {line}"))).collect()
}

/// One file of a Debian package, unpacked into the cache.
///
/// # Errors
/// As [`files`].
pub(crate) fn file(package: &str, path: &str, cache: &Path) -> anyhow::Result<PathBuf> {
    let unpacked = cache.join("bench").join(package);
    let file = unpacked.join(path);
    if !file.is_file() {
        unpack(package, &unpacked)?;
    }
    if !file.is_file() {
        bail!("Debian's package {package} holds no {path}");
    }
    Ok(file)
}

fn unpack(package: &str, folder: &Path) -> anyhow::Result<()> {
    println!("      fetching the files of Debian's package {package} (once)");
    fs::create_dir_all(folder)?;
    command::run(Command::new("apt-get").args(["-qq", "download", package]).current_dir(folder))
        .context("the benchmark's files come from Debian; `apt-get update` first, or run this on Debian or Ubuntu")?;
    let archive = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let archive = archive.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.context("apt-get downloaded nothing")?;
    command::run(Command::new("dpkg").arg("-x").arg(&archive).arg(folder))?;
    Ok(fs::remove_file(archive)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_packages_and_paths() {
        let entries = entries("# books\n\ndebian-faq usr/share/doc/x y.pdf\n").unwrap();
        assert_eq!(entries, [("debian-faq", "usr/share/doc/x y.pdf")]);
    }

    #[test]
    fn a_line_without_a_path_is_refused() {
        assert!(entries("debian-faq").is_err());
    }
}
