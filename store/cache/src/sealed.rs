//! Values that only holders of the key can read.

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;
use bytes::Bytes;
use kubemate_identity::TenantId;
use std::sync::Arc;
use std::time::Duration;

use crate::{Cache, CacheError, CacheKey, Held};

/// First byte of a sealed value; another one is not ours to open.
const VERSION: u8 = 1;
/// Random bytes in front of each value. They choose the value's own key, so that no number of values wears out the
/// 96-bit nonce of AES-GCM (NIST SP 800-38D, 8.3: at most 2^32 random nonces under one key).
const SALT: usize = 16;
/// Length of what stands before the sealed text.
const HEAD: usize = 1 + SALT + NONCE_LEN;
/// Length of the tag behind it.
const TAG: usize = 16;

/// Seals what goes into the cache behind it and opens what comes out: AES-256-GCM, each value under a key of its own,
/// bound to its tenant and key.
///
/// A value that does not open (another key, another place, a flipped bit) is a miss. Keys are hidden, too: a bare
/// SHA-256 of a prompt would let a reader of the server try guesses.
pub struct Sealed {
    names: hmac::Key,
    values: hmac::Key,
    inner: Arc<dyn Cache>,
}

impl Sealed {
    /// Seals with keys drawn from `secret`, which must have at least 256 bits that nobody can guess.
    #[must_use]
    pub fn new(secret: &[u8], inner: Arc<dyn Cache>) -> Self {
        let root = hmac::Key::new(HMAC_SHA256, secret);
        let part = |label: &[u8]| hmac::Key::new(HMAC_SHA256, hmac::sign(&root, label).as_ref());
        Self { names: part(b"kubemate cache names 1"), values: part(b"kubemate cache values 1"), inner }
    }

    /// The name that the cache behind sees.
    fn hidden(&self, tenant: &TenantId, key: &CacheKey) -> CacheKey {
        let mut digest = [0; 32];
        for (byte, hidden) in digest.iter_mut().zip(hmac::sign(&self.names, &place(tenant, key)).as_ref()) {
            *byte = *hidden;
        }
        CacheKey::of_digest(key.kind(), digest)
    }

    fn key_of(&self, salt: &[u8]) -> Result<LessSafeKey, Unspecified> {
        UnboundKey::new(&AES_256_GCM, hmac::sign(&self.values, salt).as_ref()).map(LessSafeKey::new)
    }

    fn seal(&self, tenant: &TenantId, key: &CacheKey, value: &[u8]) -> Result<Bytes, Unspecified> {
        let mut random = [0; SALT + NONCE_LEN];
        rand::fill(&mut random)?;
        let (salt, nonce) = random.split_at(SALT);
        let mut text = Vec::with_capacity(HEAD + value.len() + TAG);
        text.extend_from_slice(value);
        let aad = Aad::from(place(tenant, key));
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let tag = self.key_of(salt)?.seal_in_place_separate_tag(nonce, aad, &mut text)?;
        text.extend_from_slice(tag.as_ref());
        text.splice(0..0, std::iter::once(VERSION).chain(random));
        Ok(text.into())
    }

    fn open(&self, tenant: &TenantId, key: &CacheKey, sealed: &[u8]) -> Option<Bytes> {
        let (head, text) = sealed.split_at_checked(HEAD)?;
        let (version, random) = head.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (salt, nonce) = random.split_at_checked(SALT)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let aad = Aad::from(place(tenant, key));
        let length = self.key_of(salt).ok()?.open_in_place(nonce, aad, &mut text).ok()?.len();
        text.truncate(length);
        Some(text.into())
    }
}

/// Where a value belongs. No tenant's name holds a zero byte, so no two places read alike.
fn place(tenant: &TenantId, key: &CacheKey) -> Vec<u8> {
    let parts: [&[u8]; 5] = [tenant.as_str().as_bytes(), &[0], key.kind().as_bytes(), &[0], key.digest()];
    parts.concat()
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Sealed").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for Sealed {
    async fn find(&self, tenant: &TenantId, key: &CacheKey) -> Result<Option<Held>, CacheError> {
        let found = self.inner.find(tenant, &self.hidden(tenant, key)).await?;
        Ok(found.and_then(|Held { value, left }| Some(Held { value: self.open(tenant, key, &value)?, left })))
    }

    async fn put(&self, tenant: &TenantId, key: &CacheKey, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        let sealed = self.seal(tenant, key, &value);
        let sealed = sealed.map_err(|_| CacheError::Unavailable("a value could not be sealed".to_owned()))?;
        self.inner.put(tenant, &self.hidden(tenant, key), sealed, ttl).await
    }

    async fn remove(&self, tenant: &TenantId, key: &CacheKey) -> Result<(), CacheError> {
        self.inner.remove(tenant, &self.hidden(tenant, key)).await
    }

    async fn check(&self) -> Result<(), CacheError> {
        self.inner.check().await
    }
}
