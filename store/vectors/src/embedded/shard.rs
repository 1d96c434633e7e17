//! An open space: the engine and the journal before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{self, failed};
use super::engine::Engine;
use super::journal::Journal;
use super::operation::Operation;
use super::spaces::Root;
use crate::attributes::numbers;
use crate::{Point, VectorsError};

/// The engine flushes when the journal has grown to this; opening a space after a crash applies at most so much again.
const CHECKPOINT_BYTES: u64 = 8 << 20;
/// How often the engine looks whether to index while as much is written as makes a graph.
const LOOKS_PER_GRAPH: u64 = 2;
/// Written since the space was opened, after which it is opened anew: the engine's log holds as much again till then.
const RENEW_AFTER_BYTES: u64 = 96 << 20;
/// Most attributes of a space that get an index as numbers; more are still compared, one by one.
const NUMBER_INDEXES: usize = 64;
/// What the engine writes for a byte of an operation: its log, vectors, words, payload and their indexes.
const WRITES_PER_BYTE: u64 = 8;

/// An open space.
#[derive(Debug)]
pub(super) struct Shard {
    engine: Engine,
    folder: PathBuf,
    writer: Mutex<Writer>,
    /// Bytes of the vectors written since the engine last looked whether to index, and of those there were at opening.
    unoptimized: AtomicU64,
    /// Bytes written since the space was opened.
    logged: AtomicU64,
    /// Set while the engine makes new segments: it must not be asked to flush then.
    optimizing: AtomicBool,
    /// Set when a write failed half-way: the space must be opened anew before the next.
    broken: AtomicBool,
    root: Arc<Root>,
}

#[derive(Debug)]
struct Writer {
    journal: Journal,
    numbers: BTreeSet<String>,
}

impl Shard {
    /// Makes a new shard in a folder that holds none.
    pub(super) fn create(folder: &Path, dimensions: usize, root: &Arc<Root>) -> Result<Self, VectorsError> {
        let inner = engine_folder(folder);
        disk::ensure_room(folder, 0)?;
        disk::make_folder(&inner).map_err(|error| failed("made a space", error))?;
        let engine = Engine::create(&inner, dimensions, root)?;
        Self::with(engine, folder, dimensions, root)
    }

    /// Opens the shard of a folder and applies what its journal holds.
    pub(super) fn open(folder: &Path, dimensions: usize, root: &Arc<Root>) -> Result<Self, VectorsError> {
        disk::ensure_room(folder, 0)?;
        let engine = Engine::open(&engine_folder(folder), dimensions, root)?;
        if marker(folder).exists() {
            engine.repair()?;
            disk::unless_missing(std::fs::remove_file(marker(folder)))
                .map_err(|error| failed("opened a space", error))?;
        }
        Self::with(engine, folder, dimensions, root)
    }

    fn with(engine: Engine, folder: &Path, dimensions: usize, root: &Arc<Root>) -> Result<Self, VectorsError> {
        let (journal, operations) =
            Journal::open(&folder.join("journal")).map_err(|error| failed("read a journal", error))?;
        let mut writer = Writer { journal, numbers: BTreeSet::new() };
        for operation in &operations {
            apply(&engine, &mut writer.numbers, operation)?;
        }
        let shard = Self {
            folder: folder.to_owned(),
            writer: Mutex::new(writer),
            // A process may have ended before the engine could index.
            unoptimized: AtomicU64::new((engine.about()? * dimensions * size_of::<f32>()) as u64),
            logged: AtomicU64::new(0),
            optimizing: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            engine,
            root: root.clone(),
        };
        shard.checkpoint(&mut shard.writer())?;
        Ok(shard)
    }

    /// The engine, for reading.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Writes an operation; it is durable and seen when this returns.
    pub(super) fn write(&self, operation: &Operation) -> Result<(), VectorsError> {
        let mut writer = self.writer();
        if self.broken.load(Ordering::Relaxed) {
            return Err(VectorsError::store("wrote", "an earlier write failed; the space is being opened anew"));
        }
        let before = writer.journal.bytes();
        let about = operation.bytes();
        disk::ensure_room(&self.folder, about.saturating_mul(WRITES_PER_BYTE))?;
        writer.journal.append(operation).map_err(|error| failed("wrote a journal", error))?;
        if let Err(error) = apply(&self.engine, &mut writer.numbers, operation) {
            // Never acknowledged, so forgotten: an operation that the engine refuses must not bar the space for ever.
            self.broken.store(true, Ordering::Relaxed);
            writer.journal.cut(before).map_err(|error| failed("wrote a journal", error))?;
            return Err(error);
        }
        let written = writer.journal.bytes() - before;
        self.unoptimized.fetch_add(operation.vector_bytes(), Ordering::Relaxed);
        self.logged.fetch_add(written, Ordering::Relaxed);
        if writer.journal.bytes() > CHECKPOINT_BYTES {
            self.checkpoint(&mut writer)?;
        }
        Ok(())
    }

    /// Whether enough was written that the engine should look whether to index.
    pub(super) fn wants_optimizing(&self) -> bool {
        let enough = self.root.graph_from_kib as u64 * 1024 / LOOKS_PER_GRAPH;
        self.unoptimized.load(Ordering::Relaxed) >= enough && !self.optimizing.load(Ordering::Relaxed)
    }

    /// Whether the space should be closed and opened anew.
    pub(super) fn wants_renewing(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.logged.load(Ordering::Relaxed) > RENEW_AFTER_BYTES
    }

    /// Lets the engine index what is new. Long; reads and writes go on meanwhile.
    pub(super) fn optimize(&self) -> Result<(), VectorsError> {
        let failed = |error| failed("indexed a space", error);
        {
            let mut writer = self.writer();
            self.checkpoint(&mut writer)?;
            self.unoptimized.store(0, Ordering::Relaxed);
            disk::write_whole(&marker(&self.folder), b"").map_err(failed)?;
            self.optimizing.store(true, Ordering::Relaxed);
        }
        let result = self.engine.optimize();
        let mut writer = self.writer();
        self.optimizing.store(false, Ordering::Relaxed);
        result?;
        self.checkpoint(&mut writer)?;
        disk::unless_missing(std::fs::remove_file(marker(&self.folder))).map_err(failed)
    }

    /// Flushes the engine and empties the journal.
    fn checkpoint(&self, writer: &mut Writer) -> Result<(), VectorsError> {
        let unfit = self.optimizing.load(Ordering::Relaxed) || self.broken.load(Ordering::Relaxed);
        if unfit || writer.journal.bytes() == 0 {
            return Ok(());
        }
        self.engine.flush()?;
        writer.journal.cut(0).map_err(|error| failed("emptied a journal", error))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let result = self.checkpoint(&mut self.writer());
        if let Err(error) = result {
            tracing::warn!(%error, "a space was closed before it could be flushed; its journal has what is missing");
        }
    }
}

/// Where the engine's files are.
fn engine_folder(folder: &Path) -> PathBuf {
    folder.join("shard")
}

/// A file that is there while the engine makes new segments.
fn marker(folder: &Path) -> PathBuf {
    folder.join("indexing")
}

fn apply(engine: &Engine, numbers: &mut BTreeSet<String>, operation: &Operation) -> Result<(), VectorsError> {
    match operation {
        Operation::Upsert(points) => {
            for attribute in points.iter().flat_map(number_attributes) {
                if !numbers.contains(attribute) && numbers.len() < NUMBER_INDEXES {
                    engine.index_number(attribute)?;
                    numbers.insert(attribute.clone());
                }
            }
            engine.upsert(points)
        }
        Operation::Delete(selector) => engine.delete(selector),
    }
}

fn number_attributes(point: &Point) -> impl Iterator<Item = &String> {
    numbers(&point.passage.attributes).map(|(attribute, _)| attribute)
}
