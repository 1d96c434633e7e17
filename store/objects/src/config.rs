//! The room's part of the configuration, and the adapter it names.

use std::path::Path;
use std::sync::Arc;

use crate::{Directory, MemoryObjects, ObjectStore, ObjectsError, S3, S3Config};

/// Which object store holds the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ObjectsConfig {
    /// A folder of this machine.
    #[default]
    Directory,
    /// A bucket that processes share.
    S3(Box<S3Config>),
    /// In memory, gone at the end of the process: for tests.
    Memory,
}

impl ObjectsConfig {
    /// Opens the configured store. `folder` is used by the one on this machine alone.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the folder cannot be used, [`ObjectsError::Setup`] when a setting of the bucket cannot.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        Ok(match self {
            Self::Directory => Arc::new(Directory::open(folder).await?),
            Self::S3(config) => Arc::new(S3::new(config)?),
            Self::Memory => Arc::new(MemoryObjects::default()),
        })
    }
}
