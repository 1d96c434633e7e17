//! Files, vector stores, documents and batches.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, boolean, json, json_null, small_integer, text, text_null},
};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0002_knowledge"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(files_table()).await?;
        manager.create_table(vector_stores_table()).await?;
        manager.create_table(documents_table()).await?;
        manager.create_table(file_batches_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn files_table() -> TableCreateStatement {
    Table::create()
        .table("files")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("project"))
        .col(text("filename"))
        .col(text_null("media_type"))
        .col(big_integer("bytes"))
        .col(text("sha256"))
        .col(text("purpose"))
        .col(big_integer("created_at"))
        .col(big_integer_null("expires_at"))
        .col(big_integer_null("deleted_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .take()
}

fn vector_stores_table() -> TableCreateStatement {
    Table::create()
        .table("vector_stores")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("name"))
        .col(text_null("description"))
        .col(json("metadata"))
        .col(json("chunking"))
        .col(text("embedder"))
        .col(json_null("expires_after"))
        .col(big_integer_null("expires_at"))
        .col(big_integer("created_at"))
        .col(big_integer("last_active_at"))
        .col(big_integer("revision"))
        .col(big_integer("last_version"))
        .col(big_integer_null("deleted_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .take()
}

fn documents_table() -> TableCreateStatement {
    Table::create()
        .table("documents")
        .col(text("tenant"))
        .col(text("store"))
        .col(text("file"))
        .col(text("status"))
        .col(text_null("error_code"))
        .col(text_null("error_message"))
        .col(big_integer("usage_bytes"))
        .col(big_integer("chunks"))
        .col(json("attributes"))
        .col(json("chunking"))
        .col(big_integer("version"))
        .col(big_integer_null("searchable_version"))
        .col(boolean("residue"))
        .col(small_integer("percent"))
        .col(text("stage"))
        .col(text_null("batch"))
        .col(text_null("content_sha256"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .col(big_integer_null("deleted_at"))
        .primary_key(Index::create().col("tenant").col("store").col("file"))
        .foreign_key(
            ForeignKey::create()
                .from("documents", "tenant")
                .from("documents", "store")
                .to("vector_stores", "tenant")
                .to("vector_stores", "id"),
        )
        .take()
}

fn file_batches_table() -> TableCreateStatement {
    Table::create()
        .table("file_batches")
        .col(text("tenant"))
        .col(text("id"))
        .col(text("store"))
        .col(big_integer("created_at"))
        .col(big_integer_null("cancelled_at"))
        .primary_key(Index::create().col("tenant").col("id"))
        .foreign_key(
            ForeignKey::create()
                .from("file_batches", "tenant")
                .from("file_batches", "store")
                .to("vector_stores", "tenant")
                .to("vector_stores", "id"),
        )
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create().name("files_by_age").table("files").col("tenant").col("created_at").col("id").take(),
        Index::create().name("files_by_content").table("files").col("tenant").col("sha256").take(),
        Index::create().name("files_by_expiry").table("files").col("expires_at").take(),
        Index::create().name("stores_by_age").table("vector_stores").col("tenant").col("created_at").col("id").take(),
        Index::create().name("stores_by_expiry").table("vector_stores").col("expires_at").take(),
        Index::create()
            .name("documents_by_age")
            .table("documents")
            .col("tenant")
            .col("store")
            .col("created_at")
            .col("file")
            .take(),
        Index::create().name("documents_by_file").table("documents").col("tenant").col("file").take(),
        Index::create().name("documents_by_batch").table("documents").col("tenant").col("batch").take(),
        Index::create()
            .name("documents_by_content")
            .table("documents")
            .col("tenant")
            .col("store")
            .col("content_sha256")
            .take(),
    ]
}
