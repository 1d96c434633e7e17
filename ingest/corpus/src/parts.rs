//! Vectors at rest: the format of the `embeddings/` objects.
//!
//! `KMV1`, 16 bytes of SHA-256 of the embedder's identity, dimensions and count (u32, little-endian), then for each vector
//! 16 bytes of SHA-256 of the embedded text and its components (f32, little-endian).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::{Buf, BufMut};
use kubemate_engine::ModelIdentity;
use sha2::{Digest, Sha256};

use crate::CorpusError;

const MAGIC: &[u8; 4] = b"KMV1";
const HEADER: usize = 4 + 16 + 4 + 4;

/// The first half of a SHA-256.
pub(crate) type Hash = [u8; 16];

/// Vectors by the hash of what was embedded.
pub(crate) type Known = HashMap<Hash, Arc<[f32]>>;

pub(crate) fn hash(text: &str) -> Hash {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// How an embedder is named where its vectors are kept: equal names, equal vectors.
#[must_use]
pub fn embedder_identity(model: &ModelIdentity) -> String {
    format!("{}@{}", model.name, model.revision)
}

pub(crate) fn encode(model: &ModelIdentity, vectors: &[(Hash, Arc<[f32]>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + vectors.len() * (16 + 4 * model.dimensions));
    bytes.put_slice(MAGIC);
    bytes.put_slice(&hash(&embedder_identity(model)));
    bytes.put_u32_le(u32::try_from(model.dimensions).unwrap_or(u32::MAX));
    bytes.put_u32_le(u32::try_from(vectors.len()).unwrap_or(u32::MAX));
    for (hash, vector) in vectors {
        bytes.put_slice(hash);
        vector.iter().for_each(|value| bytes.put_f32_le(*value));
    }
    bytes
}

/// Adds a part's vectors to those known, as far as they are wanted; a part of another embedder adds nothing.
pub(crate) fn decode(
    mut bytes: &[u8],
    model: &ModelIdentity,
    wanted: &HashSet<Hash>,
    known: &mut Known,
) -> Result<(), CorpusError> {
    let damaged = CorpusError::Damaged("a part of embeddings");
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err(damaged);
    }
    bytes.advance(MAGIC.len());
    let mut embedder = Hash::default();
    bytes.copy_to_slice(&mut embedder);
    let (dimensions, count) = (bytes.get_u32_le() as usize, bytes.get_u32_le() as usize);
    if embedder != hash(&embedder_identity(model)) || dimensions != model.dimensions {
        return Ok(());
    }
    if count.checked_mul(16 + 4 * dimensions) != Some(bytes.len()) {
        return Err(damaged);
    }
    for _ in 0..count {
        let mut text = Hash::default();
        bytes.copy_to_slice(&mut text);
        let vector: Arc<[f32]> = (0..dimensions).map(|_| bytes.get_f32_le()).collect();
        if wanted.contains(&text) {
            known.insert(text, vector);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, dimensions: usize) -> ModelIdentity {
        ModelIdentity { name: name.to_owned(), revision: "1".to_owned(), dimensions, context: 512 }
    }

    #[test]
    fn wanted_vectors_come_back_for_the_same_embedder_only() {
        let mine = model("a", 3);
        let vectors = vec![(hash("x"), Arc::from([1.0, 2.0, 3.0])), (hash("y"), Arc::from([0.5, 0.0, -1.0]))];
        let bytes = encode(&mine, &vectors);
        let read = |model: &ModelIdentity| {
            let mut known = Known::new();
            decode(&bytes, model, &HashSet::from([hash("x"), hash("z")]), &mut known).map(|()| known)
        };
        assert_eq!(read(&mine).unwrap(), vectors.into_iter().take(1).collect::<Known>());
        assert_eq!(read(&model("b", 3)).unwrap(), Known::new());
        assert_eq!(read(&model("a", 4)).unwrap(), Known::new());
    }

    #[test]
    fn a_damaged_part_is_told_from_a_foreign_one() {
        let mine = model("a", 3);
        let mut bytes = encode(&mine, &[(hash("x"), Arc::from([1.0, 2.0, 3.0]))]);
        bytes.pop();
        for damaged in [bytes.as_slice(), b"", b"XXXX"] {
            assert!(matches!(decode(damaged, &mine, &HashSet::new(), &mut Known::new()), Err(CorpusError::Damaged(_))));
        }
    }
}
