//! Stored answers of the responses API.

use std::collections::BTreeMap;

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    Json, Ledger, LedgerError, Owned, ResponseRow,
    entity::response::{ActiveModel, Column, Entity},
    error::taken,
};

/// Rows that one call of [`Ledger::trim_responses`] deletes at most, so that no write waits long for it.
const TRIMMED_AT_ONCE: u64 = 500;

/// A response to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResponse {
    /// `resp_…`, as the client was told.
    pub id: String,
    /// The project it was made for.
    pub project: String,
    /// The response object as it was sent.
    pub body: Json,
    /// The input items, a JSON array.
    pub input: Json,
}

impl Ledger {
    /// Stores a response.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the tenant has one of that id.
    pub async fn save_response(
        &self,
        tenant: &TenantId,
        new: NewResponse,
        now: i64,
    ) -> Result<Owned<ResponseRow>, LedgerError> {
        let NewResponse { id, project, body, input } = new;
        let row = ResponseRow { tenant: tenant.to_string(), id, project, body, input, created_at: now };
        let inserted = Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(self.write()).await;
        inserted.map_err(|cause| taken(cause, || format!("response `{}` exists", row.id)))?;
        Ok(Owned::new(tenant, row))
    }

    /// The response of that id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn response(&self, tenant: &TenantId, id: &str) -> Result<Owned<ResponseRow>, LedgerError> {
        let own = Entity::find().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Id.eq(id));
        let row = own.one(self.read()).await?;
        row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("response", id))
    }

    /// Deletes a response. `false`: there was none.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn delete_response(&self, tenant: &TenantId, id: &str) -> Result<bool, LedgerError> {
        let own = Entity::delete_many().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Id.eq(id));
        Ok(own.exec(self.write()).await?.rows_affected == 1)
    }

    /// Deletes responses of all tenants made before `made_before`, a few hundred at a time: to be called again until
    /// it deletes nothing. Gives how many.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn trim_responses(&self, made_before: i64) -> Result<u64, LedgerError> {
        // Read from the index by age alone: the bodies of rows that stay are never looked at.
        let due = Entity::find().select_only().column(Column::Tenant).column(Column::Id);
        let due = due.filter(Column::CreatedAt.lt(made_before)).limit(TRIMMED_AT_ONCE);
        let mut by_tenant: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (tenant, id) in due.into_tuple::<(String, String)>().all(self.read()).await? {
            by_tenant.entry(tenant).or_default().push(id);
        }
        let mut deleted = 0;
        for (tenant, ids) in by_tenant {
            let old = Entity::delete_many().filter(Column::Tenant.eq(tenant)).filter(Column::Id.is_in(ids));
            deleted += old.exec(self.write()).await?.rows_affected;
        }
        Ok(deleted)
    }
}
