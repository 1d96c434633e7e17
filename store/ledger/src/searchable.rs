//! What search may return: the one question that every search asks, kept cheap.

use std::collections::BTreeMap;

use kubemate_identity::TenantId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    Ledger, LedgerError,
    entity::{
        document::{Column, Entity},
        store,
    },
    stores,
};

impl Ledger {
    /// The version that search may return of each document of these stores, by (store, file). Documents that
    /// are deleted, detached or not yet complete are left out, so are stores that are deleted or foreign.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn searchable(
        &self,
        tenant: &TenantId,
        stores: &[String],
    ) -> Result<BTreeMap<(String, String), i64>, LedgerError> {
        let rows: Vec<(String, String, i64)> = Entity::find()
            .select_only()
            .columns([Column::Store, Column::File, Column::SearchableVersion])
            .filter(Column::Tenant.eq(tenant.as_str()))
            .filter(Column::Store.is_in(stores))
            .filter(Column::SearchableVersion.is_not_null())
            .filter(Column::DeletedAt.is_null())
            .into_tuple()
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(|(store, file, version)| ((store, file), version)).collect())
    }

    /// The revision of each of these stores: it changes whenever what [`Self::searchable`] says of the store
    /// changes. Deleted and foreign stores are left out. To be read before the map it vouches for.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn revisions(&self, tenant: &TenantId, stores: &[String]) -> Result<BTreeMap<String, i64>, LedgerError> {
        let rows: Vec<(String, i64)> = stores::of(tenant)
            .select_only()
            .columns([store::Column::Id, store::Column::Revision])
            .filter(store::Column::Id.is_in(stores))
            .filter(store::Column::DeletedAt.is_null())
            .into_tuple()
            .all(self.read())
            .await?;
        Ok(rows.into_iter().collect())
    }
}
