//! Passages of documents with their vectors and their words: written once, found by meaning and by word.
//!
//! The room holds the trait [`VectorStore`], what goes through it ([`Point`], [`Passage`], [`Filter`], [`Hit`]),
//! the adapter [`Embedded`] (Qdrant's engine in this process, one folder a space), the in-memory fake
//! [`MemoryVectors`] for tests of other rooms, and [`conformance`], the one suite that every adapter runs.
//!
//! Words are made by [`words`], our own analyzer, on every adapter: the same text gives the same terms whether the
//! engine is embedded or served, in Chinese as in English.

mod analyzer;
mod attributes;
mod bm25;
mod config;
pub mod conformance;
mod embedded;
mod error;
mod filter;
mod memory;
mod milvus;
mod passage;
mod served;
mod space;
mod store;

pub use analyzer::words;
pub use config::VectorsConfig;
pub use embedded::{Embedded, EmbeddedConfig};
pub use error::VectorsError;
pub use filter::Filter;
pub use memory::MemoryVectors;
pub use milvus::{Bm25, Consistency, MilvusConfig};
pub use passage::{AttributeValue, Attributes, Hit, Passage, Point};
pub use space::{SpaceId, SpaceSpec};
pub use store::{DenseQuery, LexicalQuery, Selector, VectorStore};
