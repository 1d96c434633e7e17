//! Puts the commit into the binary, so that `--version` names what runs.

use std::process::Command;

fn main() {
    let commit = std::env::var("KUBEMATE_COMMIT").ok().or_else(from_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=KUBEMATE_COMMIT={commit}");
    println!("cargo::rerun-if-env-changed=KUBEMATE_COMMIT");
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/refs/heads");
}

/// `None` outside a checkout, as in a source archive.
fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
