//! What the errors of the rooms below mean to a client.

use kubemate_corpus::CorpusError;
use kubemate_engine::EngineError;
use kubemate_ledger::LedgerError;
use kubemate_objects::ObjectsError;
use kubemate_vectors::VectorsError;

use super::ApiError;

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotFound { kind, id } => Self::NotFound { kind, id },
            LedgerError::Conflict(message) => Self::Conflict(message),
            LedgerError::Invalid(message) => Self::Invalid { message, param: None, code: None },
            error @ (LedgerError::LeaseLost | LedgerError::Setup(_)) => Self::internal(error),
            LedgerError::Store(cause) => {
                tracing::error!(error = %cause, "the ledger failed");
                Self::Unavailable("the ledger does not answer; try again soon".to_owned())
            }
        }
    }
}

impl From<ObjectsError> for ApiError {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::DiskFull => {
                Self::Unavailable("no space is left where files are kept; free some and try again".to_owned())
            }
            ObjectsError::Store(_) | ObjectsError::Setup(_) => {
                tracing::error!(error = %error, "the object store failed");
                Self::Unavailable("the object store does not answer; try again soon".to_owned())
            }
            error => Self::internal(error),
        }
    }
}

impl From<VectorsError> for ApiError {
    fn from(error: VectorsError) -> Self {
        match error {
            VectorsError::DiskFull => {
                Self::Unavailable("the disk that holds the vectors is full; free some space and try again".to_owned())
            }
            VectorsError::Store { doing, cause } => {
                tracing::error!(error = %cause, doing, "the vector store failed");
                Self::Unavailable("the vector store does not answer; try again soon".to_owned())
            }
            error => Self::internal(error),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::QueueFull { retry_after } => Self::Busy { what: "the model".to_owned(), retry_after },
            EngineError::ContextTooLong { .. } => {
                Self::Invalid { message: error.to_string(), param: None, code: Some("context_length_exceeded") }
            }
            EngineError::UnknownModel(name) => Self::ModelNotFound(name),
            EngineError::BadRequest(message) | EngineError::Template(message) | EngineError::Tokenizer(message) => {
                Self::Invalid { message, param: None, code: None }
            }
            EngineError::Weights(message) => {
                tracing::error!(error = %message, "a local model cannot be loaded");
                Self::Unavailable("the model's weights are missing or damaged; run `kubemate models pull`".to_owned())
            }
            EngineError::Stopped => Self::Unavailable("the model is being shut down".to_owned()),
            error @ (EngineError::Inference(_) | EngineError::Fetch(_)) => Self::internal(error),
        }
    }
}

impl From<CorpusError> for ApiError {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::Ledger(error) => error.into(),
            CorpusError::Engine(error) => error.into(),
            CorpusError::Objects(error) => error.into(),
            CorpusError::Vectors(error) => error.into(),
            CorpusError::Invalid(message) => Self::Invalid { message, param: None, code: None },
            error => Self::internal(error),
        }
    }
}
