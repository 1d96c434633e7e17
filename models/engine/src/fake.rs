//! In-memory fakes for the tests of other rooms: no weights, no threads, the same answer every time.
//!
//! They keep the promises of the traits (order, norm, truncation, event order, cancellation) and are checked for
//! that here, so a room tested against them meets no surprise with a real model. Not for production: the gateway
//! has no way to configure them.

mod chat;
mod embedder;
mod words;

pub use chat::FakeChat;
pub use embedder::FakeEmbedder;
pub use words::FakeTokens;
