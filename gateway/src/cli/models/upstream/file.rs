//! A file on its way to an upstream.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use axum::body::Body;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// A model's file and what it is known by.
pub(super) struct GgufFile {
    path: PathBuf,
    pub(super) name: String,
    /// `sha256:…`
    pub(super) digest: String,
    bytes: u64,
    silent: bool,
}

impl GgufFile {
    /// Reads it once, for its digest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn read(path: PathBuf, silent: bool) -> anyhow::Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.with_context(|| format!("`{}` is no file", path.display()))?;
        let bar = bar("digest", path.metadata().map_or(0, |found| found.len()), silent);
        let there = path.clone();
        let hashed = tokio::task::spawn_blocking(move || hash(&there, &bar)).await?;
        let (digest, bytes) = hashed.with_context(|| format!("`{}` cannot be read", path.display()))?;
        Ok(Self { path, name, digest, bytes, silent })
    }

    /// Its bytes, with a bar that moves as they leave.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) async fn body(&self) -> anyhow::Result<Body> {
        let file = tokio::fs::File::open(&self.path).await?;
        let bar = bar("send", self.bytes, self.silent);
        let pieces = ReaderStream::with_capacity(file, PIECE);
        Ok(Body::from_stream(
            pieces.inspect(move |piece| bar.inc(piece.as_ref().map_or(0, |piece| piece.len() as u64))),
        ))
    }
}

fn hash(path: &Path, bar: &ProgressBar) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(piece.get(..read).unwrap_or_default());
        bytes += read as u64;
        bar.inc(read as u64);
    }
    bar.finish_and_clear();
    Ok((format!("sha256:{}", hex::encode(hash.finalize())), bytes))
}

fn bar(what: &'static str, total: u64, silent: bool) -> ProgressBar {
    let target = if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(what)
}
