//! Downloading a file that may have been begun before.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWriteExt,
};

use super::{Fetch, FetchError, Progress, verify::sha256_of};
use crate::EngineError;

/// Longest answer that is read into memory: an index page of a package with thousands of files.
const PAGE_LIMIT: usize = 16 << 20;

/// Reads a small answer whole.
pub(super) async fn page(fetch: &dyn Fetch, url: &str, accept: &str) -> Result<Vec<u8>, EngineError> {
    let mut fetched = fetch.get(url, Some(accept), 0).await.map_err(network)?;
    let mut page = Vec::new();
    while let Some(bytes) = fetched.body.next().await {
        page.extend_from_slice(&bytes.map_err(network)?);
        if page.len() > PAGE_LIMIT {
            return Err(EngineError::Fetch(format!("{url} is longer than {PAGE_LIMIT} bytes")));
        }
    }
    Ok(page)
}

/// A file to download.
pub(super) struct Wanted<'a> {
    pub(super) url: &'a str,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<&'a str>,
    /// Where the finished download lies; `.part` is appended until then.
    pub(super) target: &'a Path,
}

/// Downloads `wanted`, going on where an earlier attempt stopped. The file at `target` is complete and, when the
/// index gave a hash, verified.
pub(super) async fn file(wanted: &Wanted<'_>, fetch: &dyn Fetch, progress: &dyn Progress) -> Result<(), EngineError> {
    let part = part_of(wanted.target);
    let have = fs::metadata(&part).await.map_or(0, |metadata| metadata.len());
    if wanted.size != Some(have) {
        receive(wanted, &part, have, fetch, progress).await?;
    }
    if let Err(error) = check(&part, wanted).await {
        // Whatever is wrong with these bytes, more bytes behind them will not mend it.
        fs::remove_file(&part).await.map_err(|error| disk(&part, &error))?;
        return Err(error);
    }
    fs::rename(&part, wanted.target).await.map_err(|error| disk(wanted.target, &error))
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

async fn receive(
    wanted: &Wanted<'_>,
    part: &Path,
    have: u64,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
) -> Result<(), EngineError> {
    let mut fetched = match fetch.get(wanted.url, None, have).await {
        // The server has fewer bytes than we hold: begin again.
        Err(FetchError::Status { status: 416, .. }) => fetch.get(wanted.url, None, 0).await.map_err(network)?,
        fetched => fetched.map_err(network)?,
    };
    let resumed = fetched.from > 0 && fetched.from == have;
    let mut options = OpenOptions::new();
    options.create(true).write(true).append(resumed).truncate(!resumed);
    let mut file = options.open(part).await.map_err(|error| disk(part, &error))?;
    while let Some(bytes) = fetched.body.next().await {
        let bytes = bytes.map_err(network)?;
        file.write_all(&bytes).await.map_err(|error| disk(part, &error))?;
        progress.advance(bytes.len() as u64);
    }
    finish(file).await.map_err(|error| disk(part, &error))
}

async fn finish(mut file: File) -> std::io::Result<()> {
    file.flush().await?;
    file.sync_all().await
}

async fn check(part: &Path, wanted: &Wanted<'_>) -> Result<(), EngineError> {
    let Some(expected) = wanted.sha256.map(str::to_owned) else {
        return Ok(());
    };
    let path = part.to_owned();
    let hash = tokio::task::spawn_blocking(move || sha256_of(std::fs::File::open(path)?)).await;
    let hash = hash.map_err(|_| EngineError::Stopped)?.map_err(|error| disk(part, &error))?;
    if hash == expected {
        return Ok(());
    }
    Err(EngineError::Fetch(format!("{} has SHA-256 {hash}, the index promises {expected}", wanted.url)))
}

pub(super) fn network(error: FetchError) -> EngineError {
    EngineError::Fetch(error.to_string())
}

pub(super) fn disk(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::Weights(format!("{} cannot be written: {error}", path.display()))
}
