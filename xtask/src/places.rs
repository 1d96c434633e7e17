//! Where things are: the repository, the cache folder, what cargo builds.

use std::{env, path::PathBuf};

use anyhow::Context;
use cargo_metadata::{Metadata, MetadataCommand};

use crate::command;

/// The repository's root, wherever the caller stands inside it.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    // Cargo says at run time which clone this is; a target folder may be shared by several.
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = here.parent().context("xtask/ has no parent folder")?;
    Ok(root.to_path_buf())
}

/// Model weights, client packages and tools that outlive a clone: `KUBEMATE_CACHE`, else `kubemate` in the user's
/// cache folder. The server and the tests look in the same place.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let named = set("KUBEMATE_CACHE").or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("kubemate")));
    let home = || set("HOME").map(|home| home.join(".cache/kubemate"));
    named.or_else(home).context("neither KUBEMATE_CACHE, XDG_CACHE_HOME nor HOME names a folder")
}

/// What cargo knows of the workspace: packages, their dependencies, the target folder.
pub(crate) fn metadata() -> anyhow::Result<Metadata> {
    let mut request = MetadataCommand::new();
    request.current_dir(root()?).no_deps();
    for name in command::inherited_from_cargo() {
        request.env_remove(name);
    }
    request.exec().context("`cargo metadata` failed")
}

/// The release folder that `up`, `test` and `bench` share.
pub(crate) fn release() -> anyhow::Result<PathBuf> {
    Ok(metadata()?.target_directory.into_std_path_buf().join("release"))
}

/// The server's binary once built.
pub(crate) fn kubemate() -> anyhow::Result<PathBuf> {
    Ok(release()?.join(format!("kubemate{}", env::consts::EXE_SUFFIX)))
}
