//! The room's part of the configuration, and the adapter it names.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Directory, MemoryObjects, ObjectStore, ObjectsError};

/// Which object store holds the files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectsConfig {
    /// A folder of this machine.
    #[default]
    Directory,
    /// In memory, gone at the end of the process: for tests.
    Memory,
}

impl ObjectsConfig {
    /// Opens the configured store. `folder` is used by the one on this machine alone.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the folder cannot be used.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        Ok(match self {
            Self::Directory => Arc::new(Directory::open(folder).await?),
            Self::Memory => Arc::new(MemoryObjects::default()),
        })
    }
}
