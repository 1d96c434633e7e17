//! One thread that lets the engine index large spaces, one space at a time.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::space::Space;
use super::spaces::Root;
use crate::VectorsError;

/// The thread that indexes. It ends with the last sender; a process may end without waiting for it.
#[derive(Debug)]
pub(super) struct Indexer {
    queue: Sender<Arc<Space>>,
    waiting: watch::Sender<usize>,
}

impl Indexer {
    pub(super) fn start(root: &Arc<Root>) -> io::Result<Self> {
        let (queue, spaces) = channel();
        let root = Arc::downgrade(root);
        let waiting = watch::Sender::new(0);
        let done = waiting.clone();
        std::thread::Builder::new().name("vectors-index".into()).spawn(move || index(&spaces, &root, &done))?;
        Ok(Self { queue, waiting })
    }

    /// Has the space indexed soon, unless that is on its way.
    pub(super) fn queue(&self, space: &Arc<Space>) {
        if space.queued.swap(true, Ordering::Relaxed) {
            return;
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        if self.queue.send(space.clone()).is_err() {
            tracing::error!("the thread that indexes vectors is gone; searches stay exact and get slower");
        }
    }

    /// Waits until nothing waits to be indexed.
    pub(super) async fn idle(&self) {
        // The sender is ours, so there is always one.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
    }
}

fn index(spaces: &Receiver<Arc<Space>>, root: &Weak<Root>, waiting: &watch::Sender<usize>) {
    while let Ok(space) = spaces.recv() {
        space.queued.store(false, Ordering::Relaxed);
        let Some(root) = root.upgrade() else { return };
        if let Err(error) = index_one(&space, &root) {
            tracing::warn!(%error, "a space could not be indexed; searches in it stay exact and slower");
        }
        drop((space, root));
        waiting.send_modify(|waiting| *waiting -= 1);
    }
}

fn index_one(space: &Space, root: &Arc<Root>) -> Result<(), VectorsError> {
    match space.shard(root)? {
        Some((shard, _)) if shard.wants_optimizing() => shard.optimize(),
        _ => Ok(()),
    }
}
