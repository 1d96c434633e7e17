//! Child processes: how they are shown, and what they must not inherit.

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::{Command, ExitStatus},
};

use anyhow::{Context, bail};

/// Variables that `cargo run` set for this program. A nested cargo must not see them: build scripts that
/// watch `CARGO_PKG_NAME` or `CARGO_MANIFEST_DIR` (ring's does) would run again, and everything above them.
pub(crate) fn inherited_from_cargo() -> Vec<OsString> {
    const OURS: [&str; 6] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_NAME", "CARGO_BIN_", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_str().is_some_and(|name| OURS.iter().any(|ours| name.starts_with(ours))))
        .collect()
}

/// A program as a developer would start it in the repository's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, root: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root);
    for name in inherited_from_cargo() {
        command.env_remove(name);
    }
    command
}

/// The cargo that started this program, else the one on the path.
pub(crate) fn cargo(root: &Path) -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), root)
}

/// Runs to the end with the caller's terminal.
///
/// # Errors
/// When the program is missing or answers with a failure; the message holds the whole line.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    succeeded(command, status)
}

/// Runs to the end and returns what it printed on standard output.
///
/// # Errors
/// As [`run`]; what it printed on standard error is part of the message.
pub(crate) fn read(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", line(command)))?;
    succeeded(command, output.status)
        .with_context(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
        .map(|()| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `name` starts at all and succeeds with these arguments; says nothing.
pub(crate) fn works(name: &str, arguments: &[&str]) -> bool {
    Command::new(name).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// An error with the command line when `status` is a failure.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// The command as it would be typed.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
