//! Why a call on the vector store failed.

use crate::SpaceSpec;

/// Why a call on the vector store failed. The text of each variant may be shown to an operator; it holds no passage.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// A space id that cannot be a folder or collection name.
    #[error("`{0}` is not a space id: 1 to 128 letters, digits, `_` or `-`")]
    BadSpaceId(String),
    /// A write to a space that was never ensured, or was dropped.
    #[error("the space does not exist; ensure it before writing")]
    NoSpace,
    /// The space was made for another embedder or another number of dimensions.
    #[error("the space holds vectors of {}, asked for {}; index into a new space instead", .found, .asked)]
    SpecMismatch {
        /// What the space was made for.
        found: SpaceSpec,
        /// What the caller asked for.
        asked: SpaceSpec,
    },
    /// A vector that does not fit the space.
    #[error("a vector of {found} dimensions where the space has {expected}")]
    Dimensions {
        /// Dimensions of the space.
        expected: usize,
        /// Dimensions of the vector given.
        found: usize,
    },
    /// A vector with NaN, infinity, or nothing but zeros: it has no direction, so no cosine.
    #[error("a vector has no direction: {0}")]
    BadVector(&'static str),
    /// An attribute that is a number without end: JSON has no way to write it.
    #[error("attribute `{0}` is not a finite number")]
    BadAttribute(String),
    /// No room left on the device that holds the vectors. Nothing of the call was acknowledged.
    #[error("no space left on the device that holds the vectors")]
    DiskFull,
    /// The files or the server behind the space failed.
    #[error("the vector store failed while it {doing}: {cause}")]
    Store {
        /// What was being done, as "opened a space".
        doing: &'static str,
        /// What the engine or the system said.
        cause: String,
    },
}

impl VectorsError {
    /// An engine or system failure while `doing` something.
    pub(crate) fn store(doing: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Store { doing, cause: cause.to_string() }
    }
}
