//! The tables as SeaORM sees them. Rows that are plain enough are the public rows as well.
//!
//! Types are those that SQLite and PostgreSQL both have: text, 16- and 64-bit integers, booleans, JSON.
#![allow(unreachable_pub)] // the derives make public items beside each `Model`, whether or not it is exported

pub(crate) mod api_key;
pub(crate) mod assistant;
pub(crate) mod audit;
pub(crate) mod audit_mark;
pub(crate) mod batch;
pub(crate) mod counter;
pub(crate) mod document;
pub(crate) mod file;
pub(crate) mod job;
pub(crate) mod limit;
pub(crate) mod project;
pub(crate) mod response;
pub(crate) mod route;
pub(crate) mod setting;
pub(crate) mod store;
pub(crate) mod tenant;
pub(crate) mod usage;
