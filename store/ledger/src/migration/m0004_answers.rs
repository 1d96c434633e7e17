//! Saved assistants and stored responses.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, json, text},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0004_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(assistants_table()).await?;
        manager.create_table(responses_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn assistants_table() -> TableCreateStatement {
    Table::create()
        .table("assistants")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("name"))
        .col(text("model"))
        .col(text("instructions"))
        .col(json("store_ids"))
        .col(json("settings"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .take()
}

fn responses_table() -> TableCreateStatement {
    Table::create()
        .table("responses")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("project"))
        .col(json("body"))
        .col(json("input"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create().name("assistants_by_name").table("assistants").col("tenant").col("name").unique().take(),
        Index::create().name("assistants_by_age").table("assistants").col("tenant").col("created_at").col("id").take(),
        Index::create().name("responses_by_age").table("responses").col("tenant").col("created_at").col("id").take(),
    ]
}
