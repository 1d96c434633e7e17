//! The room's part of the configuration, and the adapter it names.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{MemoryVectors, VectorStore, VectorsError};

/// Which vector store holds the passages.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VectorsConfig {
    /// In memory, gone at the end of the process: for tests.
    #[default]
    Memory,
}

impl VectorsConfig {
    /// Opens the configured store. `folder` belongs to the embedded one alone.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the folder cannot be used.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn VectorStore>, VectorsError> {
        let _ = folder;
        Ok(match self {
            Self::Memory => Arc::new(MemoryVectors::default()),
        })
    }
}
