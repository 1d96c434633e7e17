//! Bytes under a name: uploaded files, the text taken from them, reports.
//!
//! The room holds the trait [`ObjectStore`], the adapters [`Directory`] (a folder of this machine) and [`S3`] (a bucket
//! that processes share), the in-memory fake
//! [`MemoryObjects`] for tests of other rooms, and [`conformance`], the one suite that every adapter runs.

mod config;
pub mod conformance;
mod directory;
mod error;
mod key;
mod memory;
mod s3;
mod store;

pub use config::ObjectsConfig;
pub use directory::Directory;
pub use error::ObjectsError;
pub use key::ObjectKey;
pub use memory::MemoryObjects;
pub use s3::{S3, S3Config, S3Keys};
pub use store::{ByteStream, ObjectStore, Stored, collect, once};
