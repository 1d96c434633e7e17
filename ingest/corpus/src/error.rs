//! Why a call on the corpus failed.

use kubemate_engine::EngineError;
use kubemate_ledger::LedgerError;
use kubemate_objects::ObjectsError;
use kubemate_vectors::VectorsError;

use crate::ParseFailure;

/// Why a call on the corpus failed. The message of each variant may be shown to the caller unless its code is
/// `internal_error`.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The ledger refused or failed; a foreign or unknown id is its `NotFound`.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The object store failed.
    #[error("the object store is not available")]
    Objects(#[from] ObjectsError),
    /// The vector store failed.
    #[error("the vector store is not available")]
    Vectors(#[from] VectorsError),
    /// The model failed or has too much waiting work.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file could not be read; code and sentence come from the parser.
    #[error("{message}")]
    Parse {
        /// Stable word for machines.
        code: String,
        /// Sentence for the file's owner.
        message: String,
        /// Whether the reader, not the file, was the trouble.
        is_transient: bool,
    },
    /// The document holds no text that could be searched.
    #[error("the file holds no text to search")]
    NoText,
    /// The document has no text yet: it is still being indexed, or failed.
    #[error("the document is not indexed yet")]
    NotIndexed,
    /// A request that cannot be carried out as it is worded.
    #[error("{0}")]
    Invalid(String),
    /// The job was called off, its lease was lost or the process is stopping.
    #[error("the job was called off")]
    CalledOff,
    /// A task of this process ended early.
    #[error("internal error")]
    Task(#[from] tokio::task::JoinError),
    /// A stored object is not what this version of the product wrote.
    #[error("a stored object is damaged: {0}")]
    Damaged(&'static str),
}

impl CorpusError {
    /// A stable word for machines.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Ledger(LedgerError::NotFound { .. }) => "not_found",
            Self::Ledger(_) => "ledger_unavailable",
            Self::Objects(ObjectsError::NotFound(_)) => "bytes_missing",
            Self::Objects(_) => "objects_unavailable",
            Self::Vectors(VectorsError::SpecMismatch { .. }) => "embedder_changed",
            Self::Vectors(_) => "vectors_unavailable",
            Self::Engine(EngineError::QueueFull { .. }) => "embedder_busy",
            Self::Engine(EngineError::UnknownModel(_)) => "unknown_embedder",
            Self::Engine(_) => "embedder_failed",
            Self::Parse { code, .. } => code,
            Self::NoText => "no_text",
            Self::NotIndexed => "not_indexed",
            Self::Invalid(_) => "invalid_request",
            Self::CalledOff => "cancelled",
            Self::Task(_) | Self::Damaged(_) => "internal_error",
        }
    }

    /// The whole cause for the log. A parser's sentence may quote the document, so it is left out.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Parse { .. } => String::new(),
            other => format!("{other:?}"),
        }
    }

    /// Whether the file is the trouble: its owner can mend that, an operator cannot.
    pub(crate) fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Parse { is_transient: false, .. } | Self::NoText)
    }

    /// Whether the same work may succeed later: a store or a model was down or busy. A file that cannot be read
    /// stays so.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Parse { is_transient, .. } => *is_transient,
            Self::Ledger(LedgerError::Store(_)) | Self::Task(_) | Self::Damaged(_) => true,
            Self::Objects(ObjectsError::NotFound(_) | ObjectsError::BadKey(_)) => false,
            Self::Objects(_) => true,
            Self::Vectors(VectorsError::Store { .. } | VectorsError::DiskFull | VectorsError::NoSpace) => true,
            Self::Engine(error) => matches!(
                error,
                EngineError::QueueFull { .. }
                    | EngineError::Stopped
                    | EngineError::Inference(_)
                    | EngineError::Fetch(_)
                    | EngineError::Weights(_) // being fetched, perhaps
            ),
            _ => false,
        }
    }
}

impl From<ParseFailure> for CorpusError {
    fn from(failure: ParseFailure) -> Self {
        let ParseFailure { code, message, is_transient } = failure;
        Self::Parse { code, message, is_transient }
    }
}
