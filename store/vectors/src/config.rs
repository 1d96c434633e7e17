//! The room's part of the configuration, and the adapter it names.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Embedded, EmbeddedConfig, MemoryVectors, VectorStore, VectorsError, analyzer};

/// Which vector store holds the passages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VectorsConfig {
    /// Qdrant's engine in this process.
    Embedded(EmbeddedConfig),
    /// In memory, gone at the end of the process: for tests.
    Memory,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl VectorsConfig {
    /// Opens the configured store. `folder` is used by the embedded one alone.
    ///
    /// # Errors
    /// [`VectorsError::Store`] when the folder cannot be used.
    pub async fn open(&self, folder: &Path) -> Result<Arc<dyn VectorStore>, VectorsError> {
        // A server that only hands calls on never needs the dictionary, which takes 35 MB.
        if folder.is_dir() {
            tokio::task::spawn_blocking(analyzer::warm);
        }
        Ok(match self {
            Self::Embedded(config) => Arc::new(Embedded::open(folder, config).await?),
            Self::Memory => Arc::new(MemoryVectors::default()),
        })
    }
}
