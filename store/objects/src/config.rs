//! The room's part of the configuration, and the adapter it names.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::{MemoryObjects, ObjectStore, ObjectsError};

/// Which object store holds the files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectsConfig {
    /// In memory, gone at the end of the process: for tests.
    #[default]
    Memory,
}

impl ObjectsConfig {
    /// Opens the configured store. `folder` belongs to the one on this machine alone.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the folder cannot be used.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        let _ = folder;
        Ok(match self {
            Self::Memory => Arc::new(MemoryObjects::default()),
        })
    }
}
