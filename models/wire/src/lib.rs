//! The shapes that travel over HTTP: OpenAI's published objects and Kubemate's few extensions, serde only.
//!
//! Requests keep what they do not know in `other`, so that a field of tomorrow reaches the upstream that understands it.
//! Answers are written field by field as published; fixed `object` and `type` strings are tags of the struct and cannot be wrong.
//! Extensions are marked as such in the comment of their field.

pub mod assistants;
pub mod chat;
pub mod citation;
pub mod completions;
pub mod embeddings;
pub mod error;
pub mod files;
pub mod input;
pub mod models;
mod null;
pub mod ollama;
pub mod page;
pub mod rerank;
pub mod responses;
pub mod strict;
pub mod usage;
pub mod vector_stores;

/// What a caller may attach to an object: up to 16 pairs, keys of up to 64 and values of up to 512 characters.
pub type Metadata = std::collections::BTreeMap<String, String>;
