//! The engine against real weights. They lie in `models` under `$KUBEMATE_CACHE`, or else under `~/.cache/kubemate`;
//! a missing one fails the tests with the command that fetches it.
#![cfg(test)]

mod embeddings;
mod pull;

use std::{env, path::PathBuf};

/// The folder that holds the models of this machine.
pub fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache/kubemate");
    let named = env::var_os("KUBEMATE_CACHE").filter(|folder| !folder.is_empty());
    named.map_or_else(home, PathBuf::from).join("models")
}
