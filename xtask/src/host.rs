//! What must be on the machine before cargo can build, and how it gets there.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::command;

/// A program outside cargo's reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// What people call it.
    name: &'static str,
    /// What needs it.
    why: &'static str,
    /// A command that succeeds when it is there.
    probe: &'static [&'static str],
    /// Debian packages that bring it.
    debian: &'static [&'static str],
}

/// Compiles the C parts of SQLite, zstd and the TLS library.
pub(crate) const C_COMPILER: Tool = Tool {
    name: "a C compiler",
    why: "SQLite, zstd and the TLS library are written in C",
    probe: &["cc", "--version"],
    debian: &["gcc", "libc6-dev", "make"],
};

/// Runs the official Python client and the peers of the benchmarks.
pub(crate) const PYTHON: Tool = Tool {
    name: "Python 3 with venv",
    why: "tests drive the server with the official openai Python client",
    probe: &["python3", "-c", "import venv, ensurepip"],
    debian: &["python3", "python3-venv"],
};

/// Runs the official Node client.
pub(crate) const NODE: Tool = Tool {
    name: "Node.js with npm",
    why: "tests drive the server with the official openai Node client",
    probe: &["npm", "--version"],
    debian: &["nodejs", "npm"],
};

/// Builds the real Ollama.
pub(crate) const GO: Tool = Tool {
    name: "Go",
    why: "tests put a real Ollama server, built from its module, behind the gateway",
    probe: &["go", "version"],
    debian: &["golang"],
};

/// A shared cache of the real kind, which tests start, stop and take the writes from.
pub(crate) const REDIS: Tool = Tool {
    name: "redis-server",
    why: "tests run the shared cache against a real server that they stop and restart",
    probe: &["redis-server", "--version"],
    debian: &["redis-server"],
};

/// A shared ledger of the real kind, which tests start as an unprivileged user. Its package brings `openssl` along.
pub(crate) const POSTGRES: Tool = Tool {
    name: "PostgreSQL",
    why: "tests keep the shared ledger on a real server that they start and kill",
    probe: &["sh", "-c", "command -v openssl && { ls /usr/lib/postgresql/*/bin/initdb || command -v initdb; }"],
    debian: &["postgresql", "openssl"],
};

/// Makes sure that every tool is there, installing from Debian's packages when this user may.
///
/// # Errors
/// Names what is missing and the command that installs it when this program may not.
pub(crate) fn ensure(tools: &[Tool]) -> anyhow::Result<()> {
    let missing: Vec<Tool> = tools.iter().copied().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("      missing: {} ({})", tool.name, tool.why);
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian).copied().collect();
    if !may_install() {
        bail!("{}", advice(&missing, &packages));
    }
    install(&packages)?;
    let still: Vec<Tool> = missing.into_iter().filter(|tool| !is_there(tool)).collect();
    if let Some(tool) = still.first() {
        bail!("{} is still missing after `apt-get install {}`", tool.name, packages.join(" "));
    }
    Ok(())
}

/// Makes sure that rustfmt and clippy belong to the toolchain in use.
///
/// # Errors
/// When they are missing and there is no rustup to add them.
pub(crate) fn ensure_rust_components(root: &Path) -> anyhow::Result<()> {
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let there = command::cargo(root).args([verb, "--version"]).output().is_ok_and(|out| out.status.success());
        if there {
            continue;
        }
        if !command::works("rustup", &["--version"]) {
            bail!("`cargo {verb}` is missing: install your toolchain's `{component}` package, or Rust from rustup.rs");
        }
        command::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

fn is_there(tool: &Tool) -> bool {
    tool.probe.split_first().is_some_and(|(program, arguments)| command::works(program, arguments))
}

fn may_install() -> bool {
    rustix::process::geteuid().is_root() && command::works("apt-get", &["--version"])
}

fn advice(missing: &[Tool], packages: &[&str]) -> String {
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    format!(
        "{} needed, and this user may not install packages\n  \
         Debian, Ubuntu: sudo apt-get install {}\n  \
         elsewhere: install the same with your system's package manager, then run this again",
        names.join(" and "),
        packages.join(" ")
    )
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    println!("      installing with apt-get: {}", packages.join(" "));
    command::run(apt().arg("update"))?;
    command::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    apt
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Tool =
        Tool { name: "a loom", why: "cloth", probe: &["no-such-program-kubemate"], debian: &["loom", "yarn"] };

    #[test]
    fn advice_holds_the_command_to_type() {
        let advice = advice(&[ABSENT], ABSENT.debian);
        assert!(advice.contains("sudo apt-get install loom yarn"), "{advice}");
    }

    #[test]
    fn a_probe_that_cannot_start_means_missing() {
        assert!(!is_there(&ABSENT));
    }
}
