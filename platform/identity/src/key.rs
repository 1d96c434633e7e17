//! API keys: 256 random bits, shown once, stored as their SHA-256.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every key starts with, so that scanners for leaked secrets can find one.
const PREFIX: &str = "km-";
/// Length of 32 bytes in base64url without padding.
const SECRET_CHARS: usize = 43;
/// Characters of the secret that are displayed: enough to tell keys apart, 24 of 256 bits.
const DISPLAYED_CHARS: usize = 4;

/// Why a string is not a key, or no key could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `km-` and 43 characters of base64url.
    #[error("an API key is `km-` followed by 43 characters")]
    Malformed,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// A key in the clear. `Debug` prints `***`, and there is no `Display`: a key leaves only through [`Self::shown`].
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when that source fails.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// Reads a key that a client sent. Only the shape is checked, not whether the key exists.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for any other shape.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let secret = text.strip_prefix(PREFIX).ok_or(KeyError::Malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| KeyError::Malformed)?;
        if secret.len() != SECRET_CHARS || bytes.len() != 32 {
            return Err(KeyError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// What is stored in its place. A plain SHA-256 is enough: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The key in the clear, for the one time it is shown to its maker.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.clone()
    }

    /// What lists display to tell keys apart: `km-abcd…`.
    #[must_use]
    pub fn display_prefix(&self) -> String {
        let shown: String = self.0.chars().take(PREFIX.len() + DISPLAYED_CHARS).collect();
        format!("{shown}…")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiKey(***)")
    }
}

/// The SHA-256 of a key. Compared in constant time.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of whatever a client presented, whether or not it has the shape of a generated key: an
    /// operator may configure an admin key of another shape.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    /// Reads the 64 hex digits that [`Self::to_hex`] writes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::Malformed)?;
        Ok(Self(bytes))
    }

    /// 64 lowercase hex digits, the stored form.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The bytes, for keys of in-memory tables.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_can_be_read_back() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(key.shown().len(), 46);
        let again = ApiKey::parse(&key.shown()).unwrap();
        assert_eq!(again.hash(), key.hash());
        assert_eq!(KeyHash::from_hex(&key.hash().to_hex()).unwrap(), key.hash());
        assert_ne!(ApiKey::generate().unwrap().hash(), key.hash());
    }

    #[test]
    fn other_shapes_are_refused() {
        let good = ApiKey::generate().unwrap().shown();
        let long = format!("{good}A");
        let padded = format!("{}=", &good[..45]);
        let plus = format!("km-+{}", &good[4..]);
        for bad in ["", "km-", "sk-abc", &good[..45], &good[3..], &long, &padded, &plus] {
            assert_eq!(ApiKey::parse(bad).err(), Some(KeyError::Malformed), "{bad}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_key() {
        let key = ApiKey::parse("km-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        // printf 'km-AAA…' | sha256sum
        let expected = hex::encode(Sha256::digest(b"km-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!(key.hash().to_hex(), expected);
        assert_eq!(key.display_prefix(), "km-AAAA…");
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(format!("{key:?} {:?}", key.hash()), "ApiKey(***) KeyHash(***)");
    }
}
