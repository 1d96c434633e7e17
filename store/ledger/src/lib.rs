//! The relational memory of Kubemate: tenants, keys, files, knowledge bases, documents, jobs, saved
//! assistants, stored responses, usage and the audit chain.
//!
//! One [`Ledger`] over SeaORM: a SQLite file on one machine, the same entities and migrations on
//! PostgreSQL where several replicas share it. What is particular to each lives in `sqlite.rs` and `postgres.rs`.
//!
//! Rules that hold everywhere:
//! - A call that touches tenant data takes the [`TenantId`](kubemate_identity::TenantId) first. Another
//!   tenant's id and a random id give the same [`LedgerError::NotFound`].
//! - [`Owned`] is made only in this crate, from a row that was found under its tenant.
//! - A document and the job that indexes it are written in one transaction; so are a deletion, at once
//!   visible to every reader, and the job that cleans up behind it.
//! - When a call returns `Ok`, its change survives `kill -9` and the loss of power.

mod assistants;
mod audit;
mod batches;
mod documents;
mod entity;
mod error;
mod expiry;
mod files;
mod ids;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod limits;
mod migration;
mod often;
mod owned;
mod page;
mod postgres;
mod removal;
mod responses;
mod routes;
mod searchable;
mod settings;
mod sqlite;
mod stores;
pub mod suite;
mod tenants;
mod text;
mod usage;

pub use assistants::NewAssistant;
pub use audit::{
    AuditEvent, AuditHead, AuditReport, AuditRow, DEFAULT_AUDIT_RETENTION_DAYS, LEAST_AUDIT_RETENTION_DAYS, Outcome,
};
pub use batches::BatchStatus;
pub use documents::NewDocument;
pub use entity::{
    assistant::Model as AssistantRow,
    batch::Model as BatchRow,
    document::{DocumentStatus, Model as DocumentRow},
    file::Model as FileRow,
    job::JobState,
    limit::Model as LimitRow,
    project::Model as ProjectRow,
    response::Model as ResponseRow,
    route::Model as RouteRow,
    store::Model as StoreRow,
    tenant::Model as TenantRow,
    usage::Model as UsageRow,
};
pub use error::{LedgerError, StoreFailure};
pub use expiry::Expired;
pub use files::NewFile;
pub use ids::new_id;
pub use jobs::{JobKind, JobRow, JobsWaiting};
pub use keys::{ActiveKey, KeyRow, NewKey};
pub use leases::Completed;
pub use ledger::{Ledger, LedgerConfig};
pub use owned::Owned;
pub use page::{Order, Page, PageOf};
pub use postgres::PostgresConfig;
pub use responses::NewResponse;
/// Free-form JSON as it is stored.
pub use serde_json::Value as Json;
pub use stores::{FileCounts, NewStore, StoreUpdate};
pub use usage::{UsageBy, UsageFilter, UsageOf, UsageSum};
