//! The ledger as its users see it, on SQLite and on PostgreSQL: the conformance suite, many writers at once, kill -9,
//! tampering.
#![cfg(test)]

mod concurrency;
mod conformance;
mod crash;
mod on_disk;
mod paging;
mod place;
mod postgres;
mod server;
mod tampering;
