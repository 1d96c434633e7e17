//! The binary under test and the cache folder with model weights.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{CHAT, EMBEDDER};

/// Weights and client packages that outlive a clone: `KUBEMATE_CACHE`, else `~/.cache/kubemate`.
pub(crate) fn cache() -> PathBuf {
    let named = env::var_os("KUBEMATE_CACHE").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(&env::var_os("HOME").expect("HOME is set")).join(".cache/kubemate"))
}

/// The server's binary: `KUBEMATE_BIN`, else the one beside this test's own folder, built when it is missing. The weights are there, too.
pub(crate) fn kubemate() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let binary = env::var_os("KUBEMATE_BIN").map_or_else(sibling, PathBuf::from);
        if !binary.exists() {
            run(Command::new(env!("CARGO")).args(["build", "--release", "--package", "kubemate-gateway"]));
        }
        run(Command::new(&binary)
            .args(["models", "pull", EMBEDDER, CHAT])
            .env("KUBEMATE__WEIGHTS__CACHE_DIR", cache()));
        binary
    })
}

/// `target/release/deps/walks-…` runs beside `target/release/kubemate`.
fn sibling() -> PathBuf {
    let test = env::current_exe().expect("the test knows its own path");
    let release = test.ancestors().nth(2).expect("the test is in a target folder");
    release.join(format!("kubemate{}", env::consts::EXE_SUFFIX))
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("the command starts");
    assert!(status.success(), "{command:?} ended with {status}");
}
