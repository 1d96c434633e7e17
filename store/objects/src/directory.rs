//! Objects as files of this machine.
//!
//! An object is the file `<root>/<tenant>/<key>@`. The mark at the end stands in no key, so the objects `a` and `a/b`
//! do not compete for the name `a`. Bodies are written to `<root>/.new/`, on the same device, and renamed when they
//! are whole: [`draft`] holds that part.

mod draft;
mod walk;

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use kubemate_identity::TenantId;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use self::draft::Draft;
use crate::memory::cut;
use crate::{ByteStream, ObjectKey, ObjectStore, ObjectsError, Stored};

/// Ends the name of each object's file.
const MARK: &str = "@";
/// Bytes read from a file at once: large enough that hopping to the blocking threads costs little.
const READ_BYTES: usize = 256 << 10;
/// How often `put` makes its folder again when a `delete` removed it in between.
const FOLDER_TRIES: usize = 16;

/// An object store in a folder of this machine. Files are readable by their owner only (mode 0600, folders 0700).
///
/// Two processes may use one folder at once.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Opens the store in this folder, making it when it is not there, and removes what a process that ended during
    /// a `put` left behind.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the folder cannot be made or written to.
    pub async fn open(root: &Path) -> Result<Self, ObjectsError> {
        let root = root.to_owned();
        blocking(move || {
            let drafts = draft::folder(&root);
            make_folder(&drafts).and_then(|()| draft::sweep(&drafts)).map_err(ObjectsError::from_io)?;
            Ok(Self { root })
        })
        .await
    }

    fn tenant_folder(&self, tenant: &TenantId) -> PathBuf {
        self.root.join(tenant.as_str())
    }

    fn path(&self, tenant: &TenantId, key: &ObjectKey) -> PathBuf {
        self.tenant_folder(tenant).join(format!("{key}{MARK}"))
    }

    async fn open_file(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(File, u64), ObjectsError> {
        let (path, key) = (self.path(tenant, key), key.clone());
        blocking(move || {
            let file = File::open(path).map_err(|error| match error.kind() {
                ErrorKind::NotFound => ObjectsError::NotFound(key),
                _ => ObjectsError::Store(error),
            })?;
            let length = file.metadata().map_err(ObjectsError::Store)?.len();
            Ok((file, length))
        })
        .await
    }
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put(&self, tenant: &TenantId, key: &ObjectKey, mut body: ByteStream) -> Result<Stored, ObjectsError> {
        let drafts = draft::folder(&self.root);
        let mut draft = blocking(move || Draft::create(&drafts).map_err(ObjectsError::from_io)).await?;
        while let Some(piece) = body.try_next().await.map_err(ObjectsError::Body)? {
            draft = draft.append(piece).await?;
        }
        let target = self.path(tenant, key);
        blocking(move || draft.publish(&target).map_err(ObjectsError::from_io)).await
    }

    async fn get(&self, tenant: &TenantId, key: &ObjectKey) -> Result<ByteStream, ObjectsError> {
        let (file, _) = self.open_file(tenant, key).await?;
        Ok(ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES).boxed())
    }

    async fn get_range(
        &self,
        tenant: &TenantId,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectsError> {
        let (mut file, length) = self.open_file(tenant, key).await?;
        let range = cut(&range, length)?;
        file.seek(SeekFrom::Start(range.start)).map_err(ObjectsError::Store)?;
        let part = tokio::fs::File::from_std(file).take(range.end - range.start);
        Ok(ReaderStream::with_capacity(part, READ_BYTES).boxed())
    }

    async fn stat(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Option<u64>, ObjectsError> {
        match self.open_file(tenant, key).await {
            Ok((_, length)) => Ok(Some(length)),
            Err(ObjectsError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(), ObjectsError> {
        let (path, top) = (self.path(tenant, key), self.tenant_folder(tenant));
        blocking(move || remove(&path, &top).map_err(ObjectsError::from_io)).await
    }

    async fn list(&self, tenant: &TenantId, prefix: &str) -> Result<Vec<ObjectKey>, ObjectsError> {
        let (top, prefix) = (self.tenant_folder(tenant), prefix.to_owned());
        blocking(move || walk::keys(&top, &prefix).map_err(ObjectsError::Store)).await
    }

    async fn check(&self) -> Result<(), ObjectsError> {
        let drafts = draft::folder(&self.root);
        blocking(move || Draft::create(&drafts).and_then(Draft::probe).map_err(ObjectsError::from_io)).await
    }
}

/// Runs work that waits for the device on the threads kept for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectsError> + Send + 'static,
) -> Result<T, ObjectsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => Err(ObjectsError::Store(io::Error::other(stopped))),
    }
}

/// Deletes a file and then the folders that this left empty, up to the tenant's own.
fn remove(path: &Path, top: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result?,
    }
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != top) {
        sync_folder(folder)?;
        // A folder that is not empty, or that a `put` is about to use, stays.
        if std::fs::remove_dir(folder).is_err() {
            return Ok(());
        }
    }
    sync_folder(top)
}

/// Moves a whole file to its place for good: the name itself is on the device when this returns.
fn move_into_place(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(to);
    for _ in 0..FOLDER_TRIES {
        make_folder(folder)?;
        match std::fs::rename(from, to) {
            // A `delete` took the empty folder away after it was made.
            Err(error) if error.kind() == ErrorKind::NotFound && from.exists() => {}
            Err(error) => return Err(error),
            Ok(()) => return sync_folder(folder),
        }
    }
    Err(io::Error::other("the folder of the object keeps disappearing"))
}

/// Makes a folder and those above it, each recorded on the device.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    folder.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

/// Waits until the names in a folder are on the device. A folder that is gone needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        file => file?.sync_all(),
    }
}
