//! Keys of cached values and counters.

use std::fmt;

use sha2::{Digest, Sha256};

/// What a value or a counter is kept under, within its tenant.
///
/// A key is a kind and the SHA-256 of its parts, so it is short whatever was put in, and shows nothing of it to who can
/// read the cache. Each part is hashed with its length: `["ab", "c"]` and `["a", "bc"]` are different keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    kind: &'static str,
    digest: [u8; 32],
}

impl CacheKey {
    /// The key of this kind (as `"answer"`, `"rate"`) made of these parts, in this order.
    #[must_use]
    pub fn new<P: AsRef<[u8]>>(kind: &'static str, parts: &[P]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self { kind, digest: hash.finalize().into() }
    }

    /// The key of this kind with this digest.
    pub(crate) fn of_digest(kind: &'static str, digest: [u8; 32]) -> Self {
        Self { kind, digest }
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// One of the digest's bytes, to spread keys over parts.
    pub(crate) fn first_byte(&self) -> u8 {
        let [first, ..] = self.digest;
        first
    }
}

/// `kind:hexadecimal digest`, as adapters write it to a server.
impl fmt::Display for CacheKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind, hex::encode(self.digest))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
