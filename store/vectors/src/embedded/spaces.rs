//! The spaces under one folder: which are open, and which is closed when there are too many.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kubemate_identity::TenantId;

use super::disk::{self, failed};
use super::indexer::Indexer;
use super::operation::Operation;
use super::shard::Shard;
use super::space::Space;
use crate::{EmbeddedConfig, SpaceId, SpaceSpec, VectorsError};

/// A space's name among all tenants.
pub(super) type Key = (TenantId, SpaceId);

/// The folder of all spaces, held against other processes while anything under it is open.
#[derive(Debug)]
pub(super) struct Root {
    _lock: File,
    /// Vectors of a segment are put under a graph from this many KiB on.
    pub(super) graph_from_kib: usize,
}

/// The spaces under one folder: `<root>/<tenant>/<space>/`.
#[derive(Debug)]
pub(super) struct Spaces {
    folder: PathBuf,
    root: Arc<Root>,
    /// Most spaces kept open while nobody uses them.
    keep_open: usize,
    table: Mutex<HashMap<Key, Arc<Space>>>,
    open_spaces: Arc<AtomicUsize>,
    /// Counts uses, to tell which space was used least recently.
    ticks: AtomicU64,
    indexer: Indexer,
}

impl Spaces {
    /// Opens the folder, making it when it is not there, and removes what dropped spaces left.
    pub(super) fn open(folder: &Path, config: &EmbeddedConfig) -> Result<Self, VectorsError> {
        let doing = |error| failed("opened the folder of the vectors", error);
        disk::make_folder(folder).map_err(doing)?;
        let root = Arc::new(Root::take(folder, config)?);
        disk::unless_missing(std::fs::remove_dir_all(dropped(folder))).map_err(doing)?;
        Ok(Self {
            folder: folder.to_owned(),
            indexer: Indexer::start(&root).map_err(doing)?,
            root,
            keep_open: config.open_spaces,
            table: Mutex::default(),
            open_spaces: Arc::default(),
            ticks: AtomicU64::new(0),
        })
    }

    pub(super) fn ensure(&self, key: Key, spec: &SpaceSpec) -> Result<(), VectorsError> {
        self.space(key).ensure(spec, &self.root)?;
        self.close_some();
        Ok(())
    }

    /// Reads a space, or gives `None` when there is no such space.
    pub(super) fn read<T>(
        &self,
        key: Key,
        work: impl FnOnce(&Shard, &SpaceSpec) -> Result<T, VectorsError>,
    ) -> Result<Option<T>, VectorsError> {
        let space = self.space(key);
        let Some((shard, spec)) = space.shard(&self.root)? else { return Ok(None) };
        let result = work(&shard, &spec);
        self.finish(&space, shard);
        result.map(Some)
    }

    /// Writes to a space. `make` sees what the space is for, and may refuse. Gives `None` when there is no such space.
    pub(super) fn write(
        &self,
        key: Key,
        make: impl FnOnce(&SpaceSpec) -> Result<Operation, VectorsError>,
    ) -> Result<Option<()>, VectorsError> {
        self.read(key, |shard, spec| shard.write(&make(spec)?))
    }

    pub(super) fn remove(&self, key: Key) -> Result<(), VectorsError> {
        self.space(key).remove(&dropped(&self.folder))
    }

    /// Whether the folder can be written to.
    pub(super) fn check(&self) -> Result<(), VectorsError> {
        disk::ensure_room(&self.folder, 0)?;
        disk::write_whole(&self.folder.join(".check"), b"")
            .map_err(|error| failed("looked whether it can write", error))
    }

    pub(super) fn indexer(&self) -> &Indexer {
        &self.indexer
    }

    fn space(&self, key: Key) -> Arc<Space> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder.join(key.0.as_str()).join(key.1.as_str());
        let space = table.entry(key).or_insert_with(|| Arc::new(Space::new(folder, self.open_spaces.clone())));
        space.used.store(self.ticks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        space.clone()
    }

    fn finish(&self, space: &Arc<Space>, shard: Arc<Shard>) {
        if shard.wants_optimizing() {
            self.indexer.queue(space);
        }
        let renew = shard.wants_renewing();
        drop(shard);
        if renew {
            space.close();
        }
        self.close_some();
    }

    /// Closes the spaces used least recently while more are open than should be.
    fn close_some(&self) {
        if self.open_spaces.load(Ordering::Relaxed) <= self.keep_open {
            return;
        }
        let mut open: Vec<Arc<Space>> = {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            // What only the table knows and is closed need not be known.
            table.retain(|_, space| space.is_open() || Arc::strong_count(space) > 1);
            table.values().filter(|space| space.is_open()).cloned().collect()
        };
        open.sort_by_key(|space| space.used.load(Ordering::Relaxed));
        for space in open {
            if self.open_spaces.load(Ordering::Relaxed) <= self.keep_open {
                return;
            }
            space.close();
        }
    }
}

impl Root {
    fn take(folder: &Path, config: &EmbeddedConfig) -> Result<Self, VectorsError> {
        const DOING: &str = "locked the folder of the vectors";
        let open = File::options().write(true).create(true).truncate(false).open(folder.join(".lock"));
        let file = open.map_err(|error| failed(DOING, error))?;
        file.try_lock().map_err(|error| VectorsError::store(DOING, format!("another process uses it: {error}")))?;
        Ok(Self { _lock: file, graph_from_kib: config.graph_from_mib.saturating_mul(1024) })
    }
}

/// Where spaces are removed. The name starts with a dot, so it is no tenant's.
fn dropped(root: &Path) -> PathBuf {
    root.join(".dropped")
}
