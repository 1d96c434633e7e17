//! Limits, and what usage costs.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, boolean, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0007_limits"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(limits_table()).await?;
        let revision = Query::insert()
            .into_table("counters")
            .columns(["name", "value"])
            .values_panic(["limits".into(), 0_i64.into()])
            .take();
        manager.execute(revision).await?;
        for column in usage_columns() {
            // SQLite adds one column in a statement.
            manager.alter_table(Table::alter().table("usage").add_column(column).take()).await?;
        }
        let by_model = Index::create().name("usage_by_model").table("usage").col("model").col("at").take();
        manager.create_index(by_model).await
    }
}

fn limits_table() -> TableCreateStatement {
    Table::create()
        .table("limits")
        .col(text("scope"))
        .col(text("subject"))
        .col(big_integer_null("rpm"))
        .col(big_integer_null("tpm"))
        .col(big_integer_null("concurrency"))
        .col(big_integer_null("daily_tokens"))
        .col(big_integer_null("monthly_tokens"))
        .col(big_integer_null("parallel"))
        .col(text_null("priority"))
        .col(big_integer("updated_at"))
        .primary_key(Index::create().col("scope").col("subject"))
        .take()
}

fn usage_columns() -> [ColumnDef; 6] {
    [
        big_integer("cost_nanos").default(0_i64).take(),
        text("currency").default("").take(),
        big_integer_null("ttft_ms").take(),
        boolean("cached").default(false).take(),
        big_integer("cached_tokens").default(0_i64).take(),
        text("upstream").default("").take(),
    ]
}
