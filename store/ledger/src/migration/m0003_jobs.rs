//! The job queue.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, integer, small_integer, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0003_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(jobs_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn jobs_table() -> TableCreateStatement {
    Table::create()
        .table("jobs")
        .col(text("id").primary_key())
        .col(text("tenant"))
        .col(text("kind"))
        .col(text_null("store"))
        .col(text_null("file"))
        .col(big_integer("version"))
        .col(text("state"))
        .col(integer("attempts"))
        .col(big_integer("lease"))
        .col(text_null("worker"))
        .col(big_integer("lease_until_ms"))
        .col(big_integer("not_before_ms"))
        .col(small_integer("percent"))
        .col(text("stage"))
        .col(text_null("error_code"))
        .col(text_null("error_message"))
        .col(big_integer("created_ms"))
        .col(big_integer_null("ended_ms"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create().name("jobs_to_start").table("jobs").col("state").col("not_before_ms").col("id").take(),
        Index::create().name("jobs_to_take_over").table("jobs").col("state").col("lease_until_ms").take(),
        Index::create().name("jobs_by_document").table("jobs").col("tenant").col("store").col("file").take(),
        Index::create().name("jobs_by_end").table("jobs").col("ended_ms").take(),
    ]
}
