//! Tenants, projects, keys, and the counter that tells key caches when to look again.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, json, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_tenancy"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(tenants_table()).await?;
        manager.create_table(projects_table()).await?;
        manager.create_table(api_keys_table()).await?;
        manager.create_table(settings_table()).await?;
        manager.create_table(counters_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        let keys = Query::insert()
            .into_table("counters")
            .columns(["name", "value"])
            .values_panic(["keys".into(), 0_i64.into()])
            .take();
        manager.execute(keys).await?;
        Ok(())
    }
}

fn tenants_table() -> TableCreateStatement {
    Table::create()
        .table("tenants")
        .col(text("id").primary_key())
        .col(big_integer("created_at"))
        .col(big_integer_null("deleted_at"))
        .take()
}

fn projects_table() -> TableCreateStatement {
    Table::create()
        .table("projects")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("name"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .foreign_key(ForeignKey::create().from("projects", "tenant").to("tenants", "id"))
        .take()
}

fn api_keys_table() -> TableCreateStatement {
    Table::create()
        .table("api_keys")
        .col(text("id").primary_key())
        .col(text("tenant"))
        .col(text("project"))
        .col(text("name"))
        .col(text("hash"))
        .col(text("display"))
        .col(json("rights"))
        .col(text_null("maker"))
        .col(big_integer("created_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(
            ForeignKey::create()
                .from("api_keys", "tenant")
                .from("api_keys", "project")
                .to("projects", "tenant")
                .to("projects", "id"),
        )
        .take()
}

fn settings_table() -> TableCreateStatement {
    Table::create()
        .table("settings")
        .col(text("name").primary_key())
        .col(text("value"))
        .col(big_integer("updated_at"))
        .take()
}

fn counters_table() -> TableCreateStatement {
    Table::create().table("counters").col(text("name").primary_key()).col(big_integer("value")).take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create().name("projects_by_name").table("projects").col("tenant").col("name").unique().take(),
        Index::create().name("api_keys_by_hash").table("api_keys").col("hash").unique().take(),
        Index::create().name("api_keys_by_tenant").table("api_keys").col("tenant").col("created_at").col("id").take(),
    ]
}
