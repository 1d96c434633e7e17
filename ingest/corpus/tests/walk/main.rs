//! The whole walk of a document with a real ledger, real files and a vector store in memory: in, found, changed,
//! cancelled, broken off at any moment, deleted.
#![cfg(test)]

mod crash;
mod deletion;
mod failures;
mod house;
mod ingest;
mod search;
mod unsteady;
mod visibility;
