//! What the device must have recorded before a call is acknowledged.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::VectorsError;

/// Room that must be left on the device. The engine maps its files into memory, and a page that finds no room ends
/// the process; so a write that could come near is refused before it starts.
const RESERVE_BYTES: u64 = 128 << 20;

/// Refuses work that writes about `bytes` when the device is nearly full.
pub(super) fn ensure_room(folder: &Path, bytes: u64) -> Result<(), VectorsError> {
    let stat = rustix::fs::statvfs(folder).map_err(|error| failed("looked for free space", error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < RESERVE_BYTES.saturating_add(bytes) { Err(VectorsError::DiskFull) } else { Ok(()) }
}

/// The room's error for a failure of the system.
pub(super) fn failed(doing: &'static str, error: io::Error) -> VectorsError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => VectorsError::DiskFull,
        _ => VectorsError::store(doing, error),
    }
}

/// Writes a small file whole: readers see the old content or the new, also after a loss of power.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    sync_parent(path)
}

/// Makes a folder (mode 0700) and those above it, recorded on the device.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(folder),
    }
}

/// Waits until the name of this path is on the device.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above)?.sync_all()
}

/// The error unless it says that there is nothing.
pub(super) fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
