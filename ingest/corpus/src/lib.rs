//! Knowledge bases: from uploaded files to passages that are found, quoted and cited.
//!
//! A room of floor 2 over the ledger (rows and jobs), the object store (bytes, texts, vectors at rest), the vector store and the
//! engine. [`Corpus::worker`] makes documents searchable, [`Corpus::search`] finds passages, [`prompt`] puts them to a
//! chat model, [`citations`] turns its answer into quotes.
//!
//! Two promises carry the rest. Search returns passages of complete documents only, because every hit is checked against
//! what the ledger names as searchable. And the process may end at any instruction: each step of a job writes under names
//! that follow from the document's version, so the next attempt writes the same again.

pub mod citations;
pub mod prompt;
pub mod relevance;

mod child;
mod chunking;
mod config;
mod corpus;
mod error;
mod follow_up;
mod fusion;
mod indexing;
mod layout;
mod metering;
mod parser;
mod parts;
mod quotes;
mod removal;
mod script;
mod search;
mod sentences;
mod sweep;
mod worker;

pub use child::{ChildParser, apply_limits_to_self, serve_as_child};
pub use chunking::{Chunk, ChunkConfig, Chunking, ChunkingStrategy, Sight, StaticSizes, chunk};
pub use config::{ChildLimits, CorpusConfig, Quotes, WorkerConfig};
pub use corpus::{Clock, Corpus, Embedders, Parts};
pub use error::CorpusError;
pub use follow_up::in_context;
pub use parser::{DocumentParser, FILE_CODES, InProcessParser, ParseFailure, Upload};
pub use parts::embedder_identity;
pub use quotes::Quote;
pub use script::Language;
pub use search::{Found, LexicalWeights, Rerank, SearchConfig, SearchRequest, rewritten};
pub use sweep::Swept;
