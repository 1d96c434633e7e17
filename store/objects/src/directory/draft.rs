//! A body on its way to becoming an object.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{blocking, move_into_place};
use crate::{ObjectsError, Stored};

/// Bytes gathered before they are hashed and written on a blocking thread: a hop there costs about as much as
/// hashing 20 KiB.
const GATHER_BYTES: usize = 1 << 20;

/// A file being written, locked so that no other process takes it for a leftover. Dropped before
/// [`Draft::publish`], it removes the file.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    hash: Sha256,
    gathered: Vec<Bytes>,
    waiting: usize,
    bytes: u64,
}

/// Where drafts are: its name starts with a dot, so it is no tenant's.
pub(super) fn folder(root: &Path) -> PathBuf {
    root.join(".new")
}

/// Removes drafts that nobody is writing any more.
pub(super) fn sweep(drafts: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(drafts)? {
        let path = entry?.path();
        let file = match File::open(&path) {
            // Published or removed since the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock() {
            Ok(()) => std::fs::remove_file(&path)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

impl Draft {
    pub(super) fn create(drafts: &Path) -> io::Result<Self> {
        loop {
            let path = drafts.join(Uuid::now_v7().simple().to_string());
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            let draft = Self::writing(file, path);
            draft.file.lock()?;
            // Another process that opens the store may have swept the file before it was locked.
            if draft.path.exists() {
                return Ok(draft);
            }
        }
    }

    fn writing(file: File, path: PathBuf) -> Self {
        Self { file, path, hash: Sha256::new(), gathered: Vec::new(), waiting: 0, bytes: 0 }
    }

    /// Takes the next piece, and writes when enough has come together.
    pub(super) async fn append(mut self, piece: Bytes) -> Result<Self, ObjectsError> {
        self.waiting += piece.len();
        self.gathered.push(piece);
        if self.waiting < GATHER_BYTES {
            return Ok(self);
        }
        blocking(move || {
            self.write_gathered().map_err(ObjectsError::from_io)?;
            Ok(self)
        })
        .await
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        for piece in self.gathered.drain(..) {
            self.hash.update(&piece);
            self.file.write_all(&piece)?;
            self.bytes += piece.len() as u64;
        }
        self.waiting = 0;
        Ok(())
    }

    /// Makes the draft the object at `target`, for good.
    pub(super) fn publish(mut self, target: &Path) -> io::Result<Stored> {
        self.write_gathered()?;
        self.file.sync_all()?;
        move_into_place(&self.path, target)?;
        let sha256 = hex::encode(std::mem::take(&mut self.hash).finalize());
        Ok(Stored { bytes: self.bytes, sha256 })
    }

    /// Whether a byte can be written.
    pub(super) fn probe(mut self) -> io::Result<()> {
        self.file.write_all(b"?")?;
        self.file.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Published, the name is gone already; otherwise nobody will read the file, and the next start would sweep it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_is_told_as_such() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut draft = Draft::writing(full, PathBuf::from("/nonexistent/draft"));
        draft.gathered.push(Bytes::from_static(b"does not fit"));
        let error = draft.write_gathered().map_err(ObjectsError::from_io).unwrap_err();
        assert!(matches!(error, ObjectsError::DiskFull), "{error:?}");
    }
}
