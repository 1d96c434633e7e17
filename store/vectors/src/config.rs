//! Which adapter holds the passages.

use std::path::Path;
use std::sync::Arc;

use crate::milvus::Milvus;
use crate::served::Served;
use crate::{Embedded, EmbeddedConfig, MemoryVectors, MilvusConfig, VectorStore, VectorsError, analyzer};

/// Which vector store holds the passages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorsConfig {
    /// Qdrant's engine in this process.
    Embedded(EmbeddedConfig),
    /// A Milvus server, for several processes together.
    Milvus(MilvusConfig),
    /// In memory, gone at the end of the process: for tests.
    Memory,
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl VectorsConfig {
    /// Opens the configured store. `folder` is used by the embedded one alone. A server need not answer yet.
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
            Self::Milvus(config) => Arc::new(Served::new(Milvus::new(config))),
            Self::Memory => Arc::new(MemoryVectors::default()),
        })
    }
}
