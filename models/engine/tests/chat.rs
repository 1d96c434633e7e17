//! The local chat model on its real weights.
#![cfg(test)]

#[path = "chat/answers.rs"]
mod answers;
#[path = "chat/limits.rs"]
mod limits;
#[path = "chat/model.rs"]
mod model;
#[path = "chat/numbers.rs"]
mod numbers;
#[path = "chat/sharing.rs"]
mod sharing;
