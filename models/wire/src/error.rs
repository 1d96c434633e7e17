//! The one error shape of `/v1`.

use serde::{Deserialize, Serialize};

/// `{"error": {…}}`, the body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorObject,
}

/// What SDKs map to their exception classes. All four fields are always written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// For people: lower case, names the thing and the next step.
    pub message: String,
    /// The family, such as `invalid_request_error` or `server_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request field at fault, such as `messages[0].role`.
    #[serde(default)]
    pub param: Option<String>,
    /// The stable name, such as `model_not_found`.
    #[serde(default)]
    pub code: Option<String>,
}

impl ErrorBody {
    /// An error without `param` and `code`.
    #[must_use]
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: ErrorObject { message: message.into(), kind: kind.into(), param: None, code: None } }
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.error.param = Some(param.into());
        self
    }

    /// Gives the stable name.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.error.code = Some(code.into());
        self
    }
}
