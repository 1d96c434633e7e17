//! docs/openapi.json: what the binary serves, committed so that a change of the API is seen in review.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};
use clap::Args;

use crate::{command, places, up};

const FILE: &str = "docs/openapi.json";

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// Only say whether the file is up to date, and fail when it is not.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Builds the server and writes, or checks, its API description.
pub(crate) fn run(args: &OpenapiArgs) -> anyhow::Result<()> {
    let root = places::root()?;
    up::build(&root)?;
    if args.check {
        return check(&root);
    }
    fs::write(root.join(FILE), printed()?)?;
    println!("wrote {FILE}");
    Ok(())
}

/// # Errors
/// When the committed file differs from what the built binary prints.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    if fs::read_to_string(root.join(FILE)).ok() != Some(printed()?) {
        bail!("{FILE} is not what the server serves; run `cargo xtask openapi` and commit it");
    }
    Ok(())
}

fn printed() -> anyhow::Result<String> {
    command::read(Command::new(places::kubemate()?).arg("openapi")).context("the server does not describe its API")
}
