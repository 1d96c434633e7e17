//! Saved assistants: a model, instructions and knowledge bases under a model name of the tenant's own.

use kubemate_identity::TenantId;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Select};

use crate::{
    AssistantRow, Json, Ledger, LedgerError, Owned, Page, PageOf,
    entity::assistant::{ActiveModel, Column, Entity},
    error::taken,
    ids::new_id,
    page, stores,
};

/// What an assistant is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAssistant {
    /// The model name it answers to, unique in the tenant.
    pub name: String,
    /// The model behind it.
    pub model: String,
    /// What it is told first.
    pub instructions: String,
    /// Vector stores of the same tenant.
    pub store_ids: Vec<String>,
    /// Further settings, free-form.
    pub settings: Json,
}

impl AssistantRow {
    /// The vector stores it answers from.
    #[must_use]
    pub fn stores(&self) -> Vec<String> {
        let ids = self.store_ids.as_array().into_iter().flatten();
        ids.filter_map(Json::as_str).map(str::to_owned).collect()
    }
}

impl Ledger {
    /// Saves an assistant.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for a vector store, [`LedgerError::Conflict`] when the name is taken.
    pub async fn create_assistant(
        &self,
        tenant: &TenantId,
        new: NewAssistant,
        now: i64,
    ) -> Result<Owned<AssistantRow>, LedgerError> {
        let txn = self.begin().await?;
        must_exist(&txn, tenant, &new.store_ids, &[]).await?;
        let row = row_of(tenant, new_id("asst_"), new, now, now);
        let inserted = Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(&txn).await;
        inserted.map_err(|cause| taken(cause, || format!("assistant `{}` exists", row.name)))?;
        txn.commit().await?;
        Ok(Owned::new(tenant, row))
    }

    /// The assistant of that id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn assistant(&self, tenant: &TenantId, id: &str) -> Result<Owned<AssistantRow>, LedgerError> {
        find(self.read(), tenant, Column::Id, id).await
    }

    /// The assistant that answers to a model name.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn assistant_named(&self, tenant: &TenantId, name: &str) -> Result<Owned<AssistantRow>, LedgerError> {
        find(self.read(), tenant, Column::Name, name).await
    }

    /// A page of the tenant's assistants.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn assistants(&self, tenant: &TenantId, page: &Page) -> Result<PageOf<AssistantRow>, LedgerError> {
        page::read(self.read(), of(tenant), Condition::all(), page).await
    }

    /// Replaces all of an assistant but its id and age. A vector store that it named before may be gone by now: the rest
    /// can be changed all the same.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for it or a vector store that it did not name before, [`LedgerError::Conflict`] when the name is taken.
    pub async fn update_assistant(
        &self,
        tenant: &TenantId,
        id: &str,
        new: NewAssistant,
        now: i64,
    ) -> Result<Owned<AssistantRow>, LedgerError> {
        let txn = self.begin().await?;
        let before = find(&txn, tenant, Column::Id, id).await?;
        must_exist(&txn, tenant, &new.store_ids, &before.stores()).await?;
        let row = row_of(tenant, before.id.clone(), new, before.created_at, now);
        let changed = Entity::update(ActiveModel::from(row.clone()).reset_all()).exec_without_returning(&txn).await;
        changed.map_err(|cause| taken(cause, || format!("assistant `{}` exists", row.name)))?;
        txn.commit().await?;
        Ok(Owned::new(tenant, row))
    }

    /// Deletes an assistant. `false`: there was none.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_assistant(&self, tenant: &TenantId, id: &str) -> Result<bool, LedgerError> {
        let own = Entity::delete_many().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Id.eq(id));
        Ok(own.exec(self.write()).await?.rows_affected == 1)
    }
}

/// Refuses vector stores that are not there, other than those that were named `before`.
async fn must_exist<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    ids: &[String],
    before: &[String],
) -> Result<(), LedgerError> {
    for id in ids {
        if !before.contains(id) {
            stores::find(db, tenant, id).await?;
        }
    }
    Ok(())
}

fn row_of(tenant: &TenantId, id: String, new: NewAssistant, created_at: i64, updated_at: i64) -> AssistantRow {
    let NewAssistant { name, model, instructions, store_ids, settings } = new;
    let store_ids = Json::from(store_ids);
    let tenant = tenant.to_string();
    AssistantRow { tenant, id, name, model, instructions, store_ids, settings, created_at, updated_at }
}

fn of(tenant: &TenantId) -> Select<Entity> {
    Entity::find().filter(Column::Tenant.eq(tenant.as_str()))
}

async fn find<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    column: Column,
    value: &str,
) -> Result<Owned<AssistantRow>, LedgerError> {
    let row = of(tenant).filter(column.eq(value)).one(db).await?;
    row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("assistant", value))
}
