//! `POST /v1/chat/completions`.

mod answer;
mod message;
mod request;
mod stream;
mod tools;

pub use answer::{AssistantMessage, ChatCompletion, Choice, FinishReason, Logprobs, TokenLogprob, TopLogprob};
pub use message::{Content, ImageUrl, Message, Part, Role};
pub use request::{ChatRequest, JsonSchema, ResponseFormat, StreamOptions};
pub use stream::{Chunk, ChunkChoice, Chunks, Delta, StreamUsage};
pub use tools::{FunctionCall, FunctionCallDelta, FunctionDefinition, Tool, ToolCall, ToolCallDelta, ToolKind};
