//! The in-memory fake, for tests of other rooms.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use kubemate_identity::TenantId;
use sha2::{Digest, Sha256};

use crate::{ByteStream, ObjectKey, ObjectStore, ObjectsError, Stored, once};

/// An object store in memory, gone at the end of the process.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<(TenantId, ObjectKey), Bytes>>,
}

impl MemoryObjects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TenantId, ObjectKey), Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Bytes, ObjectsError> {
        let held = self.lock().get(&(tenant.clone(), key.clone())).cloned();
        held.ok_or_else(|| ObjectsError::NotFound(key.clone()))
    }
}

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, tenant: &TenantId, key: &ObjectKey, mut body: ByteStream) -> Result<Stored, ObjectsError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = body.try_next().await.map_err(ObjectsError::Body)? {
            whole.extend_from_slice(&piece);
        }
        let stored = Stored { bytes: whole.len() as u64, sha256: hex::encode(Sha256::digest(&whole)) };
        self.lock().insert((tenant.clone(), key.clone()), whole.freeze());
        Ok(stored)
    }

    async fn get(&self, tenant: &TenantId, key: &ObjectKey) -> Result<ByteStream, ObjectsError> {
        self.bytes(tenant, key).map(once)
    }

    async fn get_range(
        &self,
        tenant: &TenantId,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<ByteStream, ObjectsError> {
        let whole = self.bytes(tenant, key)?;
        let cut = cut(&range, whole.len() as u64)?;
        Ok(once(whole.slice(cut.start as usize..cut.end as usize)))
    }

    async fn stat(&self, tenant: &TenantId, key: &ObjectKey) -> Result<Option<u64>, ObjectsError> {
        Ok(self.bytes(tenant, key).ok().map(|bytes| bytes.len() as u64))
    }

    async fn delete(&self, tenant: &TenantId, key: &ObjectKey) -> Result<(), ObjectsError> {
        self.lock().remove(&(tenant.clone(), key.clone()));
        Ok(())
    }

    async fn list(&self, tenant: &TenantId, prefix: &str) -> Result<Vec<ObjectKey>, ObjectsError> {
        let objects = self.lock();
        let mine = objects.keys().filter(|(owner, key)| owner == tenant && key.as_str().starts_with(prefix));
        Ok(mine.map(|(_, key)| key.clone()).collect())
    }

    async fn check(&self) -> Result<(), ObjectsError> {
        Ok(())
    }
}

/// The part of the range that lies in an object of `length` bytes.
pub(crate) fn cut(range: &Range<u64>, length: u64) -> Result<Range<u64>, ObjectsError> {
    if range.start > length || range.end < range.start {
        return Err(ObjectsError::BadRange { start: range.start, end: range.end, length });
    }
    Ok(range.start..range.end.min(length))
}
