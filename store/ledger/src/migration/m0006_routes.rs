//! Upstreams and models that were added while the process ran.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0006_routes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("routes")
            .col(text("kind"))
            .col(text("name"))
            .col(text("spec"))
            .col(big_integer("updated_at"))
            .primary_key(Index::create().col("kind").col("name"))
            .take();
        manager.create_table(table).await
    }
}
