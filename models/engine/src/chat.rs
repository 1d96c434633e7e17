//! Local chat models.

use std::{path::Path, sync::Arc};

use crate::{CatalogueEntry, ChatModel, EngineError, LocalConfig};

/// Loads the chat model whose files lie, verified, in `folder`.
///
/// # Errors
/// `Weights` when the files are not those of a model this code knows.
pub fn open(
    entry: &CatalogueEntry,
    folder: &Path,
    config: &LocalConfig,
) -> Result<Arc<dyn ChatModel>, EngineError> {
    let _ = (folder, config);
    Err(EngineError::Weights(format!(
        "model `{}` cannot be loaded yet",
        entry.name
    )))
}
