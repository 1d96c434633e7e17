//! The register of spaces on a Milvus server.

use kubemate_identity::TenantId;
use milvus::v2::types::FieldData;

use super::expression::{Expression, Word};
use super::{Milvus, schema};
use crate::served::{Entry, register_name};
use crate::{SpaceId, VectorsError};

impl Milvus {
    async fn register_shelf(&self) -> Result<String, VectorsError> {
        let name = register_name(&self.prefix);
        self.connection.make(&name, schema::register(), &schema::register_indexes()).await?;
        Ok(name)
    }

    async fn one(&self, tenant: &TenantId, space: &SpaceId) -> Result<Expression, VectorsError> {
        let mut expression = Expression::new(self.connection.abilities().await?.templates);
        expression.and_equal(schema::TENANT, Word::of_id(tenant.as_str()));
        expression.and_equal(schema::KEY, Word::of_id(&key(tenant, space)));
        Ok(expression)
    }

    pub(super) async fn registered(&self, tenant: &TenantId, space: &SpaceId) -> Result<Option<Entry>, VectorsError> {
        let (shelf, expression) = (self.register_shelf().await?, self.one(tenant, space).await?);
        let found = self.query(&shelf, expression, &[schema::TENANT, schema::SPACE, schema::TEXT], None).await?;
        let mut rows = found.rows().map_err(|error| VectorsError::store("read the register", error))?;
        let Some(row) = rows.next() else { return Ok(None) };
        let text = row.get_str(schema::TEXT).map_err(|error| VectorsError::store("read the register", error))?;
        let entry = serde_json::from_str(text).map_err(|error| VectorsError::store("read the register", error))?;
        Ok(Some(entry))
    }

    pub(super) async fn register(&self, tenant: &TenantId, space: &SpaceId, entry: &Entry) -> Result<(), VectorsError> {
        let text = serde_json::to_string(entry).map_err(|error| VectorsError::store("wrote the register", error))?;
        let columns = vec![
            FieldData::varchar(schema::KEY, vec![key(tenant, space)]),
            FieldData::varchar(schema::TENANT, vec![tenant.to_string()]),
            FieldData::varchar(schema::SPACE, vec![space.to_string()]),
            FieldData::varchar(schema::TEXT, vec![text]),
            FieldData::float_vector(schema::DENSE, vec![vec![1.0, 0.0]]),
        ];
        self.upsert(&self.register_shelf().await?, columns).await
    }

    pub(super) async fn unregister(&self, tenant: &TenantId, space: &SpaceId) -> Result<(), VectorsError> {
        let (filter, values) = self.one(tenant, space).await?.finish();
        let shelf = self.register_shelf().await?;
        self.remove_from(&shelf, filter, values).await
    }
}

fn key(tenant: &TenantId, space: &SpaceId) -> String {
    format!("{tenant}/{space}")
}
