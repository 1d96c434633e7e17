//! The trait that every object store fulfils.

use std::fmt;
use std::io;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kubemate_identity::TenantId;
use serde::{Deserialize, Serialize};

use crate::{ObjectKey, ObjectsError};

/// Bytes that come piece by piece; never an object's whole in memory.
pub type ByteStream = BoxStream<'static, Result<Bytes, io::Error>>;

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Objects kept apart by tenant.
///
/// Every adapter guarantees:
/// - a call sees and changes the given tenant's objects only, also when two tenants use equal keys;
/// - an object is there whole or not at all: a body that fails or a process that ends during `put` leaves what was
///   there before;
/// - what `put` and `delete` acknowledged is durable.
#[async_trait]
pub trait ObjectStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the body under the key, replacing what was there. Reads the body once, hashing as it goes.
    ///
    /// # Errors
    /// [`ObjectsError::Body`] when the body fails, [`ObjectsError::DiskFull`] when it does not fit; nothing is stored then.
    async fn put(&self, tenant: &TenantId, key: &ObjectKey, body: ByteStream) -> Result<Stored, ObjectsError>;

    /// The object's bytes.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`] when there is none.
    async fn get(&self, tenant: &TenantId, key: &ObjectKey) -> Result<ByteStream, ObjectsError>;

    /// Some of the object's bytes; a range that ends past the object's end is cut there.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`] when there is none, [`ObjectsError::BadRange`] when the range starts past its end or ends
    /// before it starts.
    async fn get_range(
        &self,
        tenant: &TenantId,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectsError>;

    /// The object's length in bytes, or `None` when there is none.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the store fails.
    async fn stat(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Option<u64>, ObjectsError>;

    /// Deletes the object. Deleting what is not there is no error.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the store fails.
    async fn delete(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(), ObjectsError>;

    /// The keys that start with this text, in byte order. An empty prefix lists all of the tenant's.
    ///
    /// # Errors
    /// [`ObjectsError::Store`] when the store fails.
    async fn list(&self, tenant: &TenantId, prefix: &str) -> Result<Vec<ObjectKey>, ObjectsError>;

    /// An address under which anybody can read the object for a while without a key, where the store has such.
    ///
    /// # Errors
    /// [`ObjectsError::Setup`] when it cannot last that long.
    async fn link(&self, tenant: &TenantId, key: &ObjectKey, ttl: Duration) -> Result<Option<String>, ObjectsError> {
        let _no_address = (tenant, key, ttl);
        Ok(None)
    }

    /// Whether the store can serve now; for readiness.
    ///
    /// # Errors
    /// What keeps it from serving.
    async fn check(&self) -> Result<(), ObjectsError>;
}

/// A body of bytes that are at hand.
#[must_use]
pub fn once(bytes: impl Into<Bytes>) -> ByteStream {
    futures::stream::iter([Ok(bytes.into())]).boxed()
}

/// The whole of a body in memory, for objects known to be small.
///
/// # Errors
/// The body's own, and `FileTooLarge` when it holds more than `limit` bytes.
pub async fn collect(mut body: ByteStream, limit: usize) -> Result<Bytes, io::Error> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.try_next().await? {
        if whole.len() + piece.len() > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes")));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
