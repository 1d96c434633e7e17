//! `POST /v1/responses`: answers as items, searched files, typed stream events.

mod event;
mod object;
mod request;

pub use event::{EventKind, StreamEvent};
pub use object::{
    FileSearchCall, FileSearchResult, IncompleteDetails, IncompleteReason, InputTokensDetails, ItemStatus,
};
pub use object::{
    OutputItem, OutputMessage, OutputPart, OutputText, OutputTokensDetails, ResponseError, ResponseObject,
};
pub use object::{ResponseStatus, ResponseUsage, SearchStatus};
pub use request::{FileSearchTool, InputContent, InputItem, InputMessage, InputPart, ResponseInput, ResponseTool};
pub use request::{INCLUDE_RESULTS, ResponsesRequest};
