//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection, its requests and the connections to upstreams that answer them stay on one thread: nothing is handed
//! over and nobody is woken across threads between a request and its answer. What computes for long runs elsewhere anyway.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

thread_local! {
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How many workers there are: one for each processor.
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Which worker this thread is, below [`workers`], if it is one.
pub(crate) fn worker() -> Option<usize> {
    WORKER.get()
}

/// Stack of a worker: futures are moved over it before they are boxed, and debug builds do so often. Only what is used is
/// ever backed by memory.
const STACK: usize = 16 * 1024 * 1024;

/// The threads. They end when this is dropped, with whatever they still serve.
#[derive(Debug)]
pub(crate) struct Workers {
    desks: Vec<Desk>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Desk {
    handle: Handle,
    open: Arc<AtomicUsize>,
}

/// A connection counts on its thread until this is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Workers {
    /// Starts [`workers`] threads.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread or no event queue.
    pub(crate) fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let desks = (0..workers()).map(|worker| desk(worker, end.clone())).collect::<io::Result<_>>()?;
        Ok(Self { desks, _end: end.drop_guard() })
    }

    /// The thread with the fewest connections, and a seat there.
    pub(super) fn seat(&self) -> Option<(&Handle, Seat)> {
        let desk = self.desks.iter().min_by_key(|desk| desk.open.load(Ordering::Relaxed))?;
        desk.open.fetch_add(1, Ordering::Relaxed);
        Some((&desk.handle, Seat(desk.open.clone())))
    }
}

fn desk(worker: usize, end: CancellationToken) -> io::Result<Desk> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("http-{worker}")).stack_size(STACK).spawn(move || {
        WORKER.set(Some(worker));
        runtime.block_on(end.cancelled());
        runtime.shutdown_background();
    })?;
    Ok(Desk { handle, open: Arc::default() })
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_where_there_are_fewest() {
        let workers = Workers::start().unwrap();
        let seats: Vec<_> = (0..2 * super::workers()).map(|_| workers.seat().unwrap().1).collect();
        assert!(workers.desks.iter().all(|desk| desk.open.load(Ordering::Relaxed) == 2));
        drop(seats);
        assert!(workers.desks.iter().all(|desk| desk.open.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn each_thread_knows_its_place() {
        let workers = Workers::start().unwrap();
        let found: Vec<Option<usize>> = workers
            .desks
            .iter()
            .map(|desk| {
                let (tell, told) = std::sync::mpsc::channel();
                desk.handle.spawn(async move { tell.send(worker()) });
                told.recv().unwrap()
            })
            .collect();
        assert_eq!(found, (0..super::workers()).map(Some).collect::<Vec<_>>());
        assert_eq!(worker(), None);
    }
}
