//! A space by its folder, open or closed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::disk::{self, failed};
use super::shard::Shard;
use super::spaces::Root;
use crate::{SpaceSpec, VectorsError};

/// A space, open or closed, there or not.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    state: Mutex<State>,
    /// When it was last asked for, in ticks of the table.
    pub(super) used: AtomicU64,
    /// Whether the indexer has it before it.
    pub(super) queued: AtomicBool,
    /// Whether it is open; readable without waiting for who opens or closes it.
    open: AtomicBool,
    /// How many spaces are open in all.
    open_spaces: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct State {
    spec: Option<SpaceSpec>,
    shard: Option<Arc<Shard>>,
}

impl Space {
    pub(super) fn new(folder: PathBuf, open_spaces: Arc<AtomicUsize>) -> Self {
        let (used, queued, open) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Self { folder, state: Mutex::default(), used, queued, open, open_spaces }
    }

    /// Makes the space, or checks that it is what is asked for.
    pub(super) fn ensure(&self, asked: &SpaceSpec, root: &Arc<Root>) -> Result<(), VectorsError> {
        let mut state = self.state();
        if let Some(found) = self.spec(&mut state)? {
            if found == *asked {
                return Ok(());
            }
            return Err(VectorsError::SpecMismatch { found, asked: asked.clone() });
        }
        let doing = |error| failed("made a space", error);
        // Without its spec the folder is what a process left that ended while it made the space.
        disk::unless_missing(std::fs::remove_dir_all(&self.folder)).map_err(doing)?;
        disk::make_folder(&self.folder).map_err(doing)?;
        let shard = Shard::create(&self.folder, asked.dimensions, root)?;
        let spec = serde_json::to_vec(asked).map_err(|error| VectorsError::store("made a space", error))?;
        disk::write_whole(&spec_file(&self.folder), &spec).map_err(doing)?;
        state.spec = Some(asked.clone());
        self.hold(&mut state, shard);
        Ok(())
    }

    /// The open shard and its spec, or `None` when there is no such space.
    pub(super) fn shard(&self, root: &Arc<Root>) -> Result<Option<(Arc<Shard>, SpaceSpec)>, VectorsError> {
        let mut state = self.state();
        let Some(spec) = self.spec(&mut state)? else { return Ok(None) };
        if let Some(shard) = &state.shard {
            return Ok(Some((shard.clone(), spec)));
        }
        let shard = Shard::open(&self.folder, spec.dimensions, root)?;
        Ok(Some((self.hold(&mut state, shard), spec)))
    }

    /// Closes the space when nobody reads or writes it. Says whether it is closed.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        match state.shard.take().map(Arc::try_unwrap) {
            Some(Err(busy)) => {
                state.shard = Some(busy);
                false
            }
            idle => {
                drop(idle);
                self.set_open(false);
                true
            }
        }
    }

    /// Removes the space: out of sight at once by a rename, then file by file.
    pub(super) fn remove(&self, dropped: &Path) -> Result<(), VectorsError> {
        let doing = |error| failed("dropped a space", error);
        let aside = dropped.join(Uuid::now_v7().simple().to_string());
        {
            let mut state = self.state();
            disk::make_folder(dropped).map_err(doing)?;
            match std::fs::rename(&self.folder, &aside) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                result => result.map_err(doing)?,
            }
            disk::sync_parent(&self.folder).map_err(doing)?;
            *state = State::default();
            self.set_open(false);
        }
        // Who still reads the space keeps its files; their names may go.
        disk::unless_missing(std::fs::remove_dir_all(&aside)).map_err(doing)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    fn hold(&self, state: &mut State, shard: Shard) -> Arc<Shard> {
        let shard = Arc::new(shard);
        state.shard = Some(shard.clone());
        self.set_open(true);
        shard
    }

    fn set_open(&self, open: bool) {
        match (self.open.swap(open, Ordering::Relaxed), open) {
            (false, true) => self.open_spaces.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.open_spaces.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }

    fn spec(&self, state: &mut State) -> Result<Option<SpaceSpec>, VectorsError> {
        if state.spec.is_none() {
            state.spec = match std::fs::read(spec_file(&self.folder)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed("read what a space is for", error)),
                Ok(content) => serde_json::from_slice(&content)
                    .map_err(|error| VectorsError::store("read what a space is for", error))?,
            };
        }
        Ok(state.spec.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the space was made for; written last, so a space with it is whole.
fn spec_file(folder: &Path) -> PathBuf {
    folder.join("spec.json")
}
