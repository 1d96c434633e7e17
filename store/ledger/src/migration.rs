//! The tables' history, embedded in the binary. A migration that was released is never edited.

use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod m0001_tenancy;
mod m0002_knowledge;
mod m0003_jobs;
mod m0004_answers;
mod m0005_records;
mod m0006_routes;
mod m0007_limits;

/// All migrations, oldest first.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_tenancy::Migration),
            Box::new(m0002_knowledge::Migration),
            Box::new(m0003_jobs::Migration),
            Box::new(m0004_answers::Migration),
            Box::new(m0005_records::Migration),
            Box::new(m0006_routes::Migration),
            Box::new(m0007_limits::Migration),
        ]
    }
}
