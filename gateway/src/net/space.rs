//! Room to read into, one for each thread: a connection that waits holds no buffer.

use std::cell::RefCell;

/// Most bytes of one read.
const MOST_READ: usize = 64 * 1024;

thread_local! {
    static SPACE: RefCell<Vec<u8>> = RefCell::new(vec![0; MOST_READ]);
}

/// Lends this thread's room to `work`, which takes out what it read. What is in it before is of no meaning.
pub(crate) fn with_space<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    SPACE.with_borrow_mut(|space| work(space))
}
