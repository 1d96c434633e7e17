//! The job queue's table; ADR 0010 says why it is our own.

use sea_orm::entity::prelude::*;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    #[sea_orm(string_value = "index_document")]
    IndexDocument,
    #[sea_orm(string_value = "remove_document")]
    RemoveDocument,
    #[sea_orm(string_value = "remove_store")]
    RemoveStore,
    #[sea_orm(string_value = "remove_file")]
    RemoveFile,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum JobState {
    /// Waiting for a worker.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// Held by a worker, or by one that died: then its lease runs out.
    #[sea_orm(string_value = "running")]
    Running,
    /// Finished.
    #[sea_orm(string_value = "done")]
    Done,
    /// Given up.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Called off.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// A job. Not public: see `JobRow`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    /// `job_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The tenant's name.
    pub tenant: String,
    /// What is to be done.
    pub kind: Kind,
    /// The vector store it is about.
    pub store: Option<String>,
    /// The file it is about.
    pub file: Option<String>,
    /// The document version it is about.
    pub version: i64,
    /// Where it stands.
    pub state: JobState,
    /// How often it was started.
    pub attempts: i32,
    /// Which lease this is; never the same twice, so it fences off workers that lost theirs.
    pub lease: i64,
    /// Who holds it.
    pub worker: Option<String>,
    /// When the lease runs out, Unix milliseconds.
    pub lease_until_ms: i64,
    /// Not to be started before, Unix milliseconds.
    pub not_before_ms: i64,
    /// Progress, 0 to 100.
    pub percent: i16,
    /// What the worker is doing.
    pub stage: String,
    /// Why it failed last: a stable code.
    pub error_code: Option<String>,
    /// Why it failed last: a sentence.
    pub error_message: Option<String>,
    /// When it was enqueued, Unix milliseconds.
    pub created_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
