//! Where the corpus keeps what: names of objects, ids of points.
//!
//! | object | what |
//! | --- | --- |
//! | `files/<file>` | the bytes as uploaded, written by whoever takes uploads |
//! | `texts/<file>/<store>/<version>` | the text that spans point into |
//! | `embeddings/<file>/<store>/<version>/<part>` | the vectors of [`PART`] passages with the hashes of what was embedded |
//! | `names/<store>/<hash of the file name>/<file>` | empty: which files of a knowledge base have this name |
//!
//! Parts are written before their points and deleted after them. So a part without a living document says that there
//! may be points to delete, whenever and however the process ended.

use kubemate_identity::TenantId;
use kubemate_objects::{ObjectKey, ObjectsError};
use kubemate_vectors::{SpaceId, VectorsError};
use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};

/// Passages of one part: at 384 dimensions about 200 KB, half a minute of embedding on two cores, which is what a
/// crash can cost at most.
pub(crate) const PART: usize = 128;

/// The generation of spaces. A change of embedder makes a new knowledge base, so there is one only.
const GENERATION: u32 = 0;

/// Our own namespace for ids of points (RFC 9562 section 6.5).
const POINTS: Uuid = uuid!("6b756265-6d61-7465-9c0f-706f696e7473");

/// One indexing of a file in a knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) file: String,
    pub(crate) store: String,
    pub(crate) version: i64,
}

impl Version {
    pub(crate) fn new(store: &str, file: &str, version: i64) -> Self {
        Self { file: file.to_owned(), store: store.to_owned(), version }
    }

    /// The version that an object of `texts/` or `embeddings/` belongs to.
    pub(crate) fn of_key(key: &ObjectKey) -> Option<Self> {
        let mut parts = key.as_str().split('/').skip(1);
        let (file, store, version) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self::new(store, file, version.parse().ok()?))
    }

    pub(crate) fn text(&self) -> Result<ObjectKey, ObjectsError> {
        ObjectKey::parse(&format!("texts/{}/{}/{}", self.file, self.store, self.version))
    }

    pub(crate) fn part(&self, part: usize) -> Result<ObjectKey, ObjectsError> {
        ObjectKey::parse(&format!("{}{part:06}", self.parts()))
    }

    /// What the names of all parts begin with.
    pub(crate) fn parts(&self) -> String {
        format!("embeddings/{}/{}/{}/", self.file, self.store, self.version)
    }

    /// The id of a passage's point: the same whenever this version is made again.
    pub(crate) fn point(&self, tenant: &TenantId, ordinal: u32) -> Uuid {
        let name = format!("{tenant}/{}/{}/{}/{ordinal}", self.store, self.file, self.version);
        Uuid::new_v5(&POINTS, name.as_bytes())
    }
}

pub(crate) fn file(file: &str) -> Result<ObjectKey, ObjectsError> {
    ObjectKey::parse(&format!("files/{file}"))
}

/// What the keys of all texts and parts of a file begin with.
pub(crate) fn of_file(file: &str) -> [String; 2] {
    [format!("texts/{file}/"), format!("embeddings/{file}/")]
}

/// What the keys of the files of this name begin with.
pub(crate) fn names(store: &str, filename: &str) -> String {
    let digest = hex::encode(Sha256::digest(filename.as_bytes()));
    format!("names/{store}/{}/", digest.get(..32).unwrap_or(&digest))
}

pub(crate) fn name(store: &str, filename: &str, file: &str) -> Result<ObjectKey, ObjectsError> {
    ObjectKey::parse(&format!("{}{file}", names(store, filename)))
}

pub(crate) fn space(store: &str) -> Result<SpaceId, VectorsError> {
    SpaceId::new(store, GENERATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_the_version_they_belong_to() {
        let version = Version::new("vs_1", "file-2", 7);
        assert_eq!(Version::of_key(&version.text().unwrap()), Some(version.clone()));
        assert_eq!(Version::of_key(&version.part(12).unwrap()), Some(version));
        assert_eq!(Version::of_key(&file("file-2").unwrap()), None);
    }

    #[test]
    fn points_differ_by_everything_that_tells_passages_apart() {
        let (one, other) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let version = Version::new("vs_1", "file-2", 7);
        assert_eq!(version.point(&one, 0), Version::new("vs_1", "file-2", 7).point(&one, 0));
        let others = [
            version.point(&other, 0),
            version.point(&one, 1),
            Version::new("vs_1", "file-2", 8).point(&one, 0),
            Version::new("vs_2", "file-2", 7).point(&one, 0),
            Version::new("vs_1", "file-3", 7).point(&one, 0),
        ];
        assert!(!others.contains(&version.point(&one, 0)));
    }
}
