//! The engine's own log. The engine writes it, numbers its operations by it, and neither reads it when it opens nor ever
//! shortens it; so that is done here.

use std::io;
use std::path::{Path, PathBuf};

/// The log grows by files of this size. Small, because every space has one file at least.
pub(super) const FILE_BYTES: usize = 256 << 10;

/// Removes what the log need not keep. The shard must be closed.
///
/// Files that are full are named `closed-<number of their first operation>`. The newest of them stays: the engine counts
/// on from it, and takes an operation with a lower number than a point's for an old one.
pub(super) fn prune(shard: &Path) -> io::Result<()> {
    let mut closed = closed(shard)?;
    closed.sort_unstable();
    closed.pop();
    closed.into_iter().try_for_each(|(_, path)| std::fs::remove_file(path))
}

fn closed(shard: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(shard.join("wal"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(first) = name.and_then(|name| name.strip_prefix("closed-")).and_then(|first| first.parse().ok()) {
            found.push((first, path));
        }
    }
    Ok(found)
}
