//! The audit chain and usage.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, small_integer, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0005_records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(audit_table()).await?;
        manager.create_table(audit_marks_table()).await?;
        manager.create_table(usage_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        for name in ["head", "base"] {
            let mark = Query::insert()
                .into_table("audit_marks")
                .columns(["name", "seq", "hash"])
                .values_panic([name.into(), 0_i64.into(), "".into()])
                .take();
            manager.execute(mark).await?;
        }
        Ok(())
    }
}

fn audit_table() -> TableCreateStatement {
    Table::create()
        .table("audit")
        .col(big_integer("seq").primary_key())
        .col(text_null("tenant"))
        .col(text("actor"))
        .col(text("action"))
        .col(text("target"))
        .col(text("outcome"))
        .col(big_integer("at_ms"))
        .col(text("detail"))
        .col(text("hash"))
        .take()
}

fn audit_marks_table() -> TableCreateStatement {
    Table::create()
        .table("audit_marks")
        .col(text("name").primary_key())
        .col(big_integer("seq"))
        .col(text("hash"))
        .take()
}

fn usage_table() -> TableCreateStatement {
    Table::create()
        .table("usage")
        .col(text("id").primary_key())
        .col(text("tenant"))
        .col(text("project"))
        .col(text("key"))
        .col(text("model"))
        .col(text("kind"))
        .col(big_integer("prompt_tokens"))
        .col(big_integer("completion_tokens"))
        .col(small_integer("status"))
        .col(big_integer("latency_ms"))
        .col(big_integer("at"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create().name("audit_by_tenant").table("audit").col("tenant").col("seq").take(),
        Index::create().name("audit_by_time").table("audit").col("at_ms").take(),
        Index::create().name("usage_by_time").table("usage").col("tenant").col("at").take(),
    ]
}
