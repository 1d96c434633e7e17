//! Tenants and their projects.

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Ledger, LedgerError, ProjectRow, TenantRow,
    entity::{project, tenant},
    error::taken,
    ids::new_id,
};

impl Ledger {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the name is or was taken.
    pub async fn create_tenant(&self, tenant: &TenantId, now: i64) -> Result<TenantRow, LedgerError> {
        let row = tenant::Model { id: tenant.to_string(), created_at: now, deleted_at: None };
        let insert = tenant::Entity::insert(tenant::ActiveModel::from(row.clone()));
        let inserted = insert.exec_without_returning(self.write()).await;
        inserted.map_err(|cause| taken(cause, || format!("tenant `{tenant}` exists")))?;
        Ok(row)
    }

    /// Makes a tenant unless it exists: for the default tenant at every start.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when a tenant of that name was deleted.
    pub async fn ensure_tenant(&self, tenant: &TenantId, now: i64) -> Result<TenantRow, LedgerError> {
        if let Some(row) = self.find_tenant(tenant).await? {
            return Ok(row);
        }
        match self.create_tenant(tenant, now).await {
            Err(LedgerError::Conflict(why)) => self.find_tenant(tenant).await?.ok_or(LedgerError::Conflict(why)),
            other => other,
        }
    }

    /// All tenants, by name. For operators.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, LedgerError> {
        let live = tenant::Entity::find().filter(tenant::Column::DeletedAt.is_null());
        Ok(live.order_by_asc(tenant::Column::Id).all(self.read()).await?)
    }

    /// Makes a project.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the tenant, [`LedgerError::Conflict`] when it has a project of that name.
    pub async fn create_project(&self, tenant: &TenantId, name: &str, now: i64) -> Result<ProjectRow, LedgerError> {
        self.find_tenant(tenant).await?.ok_or_else(|| LedgerError::not_found("tenant", tenant.as_str()))?;
        let (id, name) = (new_id("proj_"), name.to_owned());
        let row = project::Model { tenant: tenant.to_string(), id, name, created_at: now };
        let insert = project::Entity::insert(project::ActiveModel::from(row.clone()));
        let inserted = insert.exec_without_returning(self.write()).await;
        inserted.map_err(|cause| taken(cause, || format!("project `{}` exists", row.name)))?;
        Ok(row)
    }

    /// The project of that name, made when the tenant has none.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the tenant.
    pub async fn ensure_project(&self, tenant: &TenantId, name: &str, now: i64) -> Result<ProjectRow, LedgerError> {
        if let Some(row) = self.find_project(tenant, name).await? {
            return Ok(row);
        }
        match self.create_project(tenant, name, now).await {
            Err(LedgerError::Conflict(why)) => self.find_project(tenant, name).await?.ok_or(LedgerError::Conflict(why)),
            other => other,
        }
    }

    /// The tenant's projects, by name.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn projects(&self, tenant: &TenantId) -> Result<Vec<ProjectRow>, LedgerError> {
        let own = project::Entity::find().filter(project::Column::Tenant.eq(tenant.as_str()));
        Ok(own.order_by_asc(project::Column::Name).all(self.read()).await?)
    }

    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantRow>, LedgerError> {
        let by_name = tenant::Entity::find().filter(tenant::Column::Id.eq(tenant.as_str()));
        Ok(by_name.filter(tenant::Column::DeletedAt.is_null()).one(self.read()).await?)
    }

    async fn find_project(&self, tenant: &TenantId, name: &str) -> Result<Option<ProjectRow>, LedgerError> {
        let own = project::Entity::find().filter(project::Column::Tenant.eq(tenant.as_str()));
        Ok(own.filter(project::Column::Name.eq(name)).one(self.read()).await?)
    }
}
