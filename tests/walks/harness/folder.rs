//! Folders of a test run: inside the target folder, gone after success, kept after a failure until the next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{process, thread};

/// A folder that is removed when its last owner goes, unless a test is failing.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = run().join(format!("{name}-{number}"));
        fs::create_dir_all(&path).expect("a folder in the target folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept for you: {}", self.0.display());
        } else {
            let _gone_or_swept_later = fs::remove_dir_all(&self.0);
        }
    }
}

/// The folder of this process; those of processes that have ended are swept first, since nobody drops a static.
fn run() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(all).into_iter().flatten().flatten() {
            let ended = |pid: &str| !Path::new("/proc").join(pid).exists();
            if entry.file_name().to_str().and_then(|name| name.strip_prefix("walks-")).is_some_and(ended) {
                let _swept_next_time = fs::remove_dir_all(entry.path());
            }
        }
        all.join(format!("walks-{}", process::id()))
    })
}
