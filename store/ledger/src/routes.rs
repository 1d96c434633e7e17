//! Upstreams and models that were added while the process ran. They are the instance's, not a tenant's.

use sea_orm::{EntityTrait, QueryOrder, sea_query::OnConflict};

use crate::{
    Ledger, LedgerError,
    entity::route::{ActiveModel, Column, Entity, Model},
};

impl Ledger {
    /// All of them, by kind and name.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn routes(&self) -> Result<Vec<Model>, LedgerError> {
        Ok(Entity::find().order_by_asc(Column::Kind).order_by_asc(Column::Name).all(self.read()).await?)
    }

    /// Writes one, whatever it was before.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn put_route(&self, row: Model) -> Result<(), LedgerError> {
        let mut replace = OnConflict::columns([Column::Kind, Column::Name]);
        replace.update_columns([Column::Spec, Column::UpdatedAt]);
        Entity::insert(ActiveModel::from(row)).on_conflict(replace).exec_without_returning(self.write()).await?;
        Ok(())
    }

    /// Removes one.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none of that name.
    pub async fn delete_route(&self, kind: &'static str, name: &str) -> Result<(), LedgerError> {
        let gone = Entity::delete_by_id((kind.to_owned(), name.to_owned())).exec(self.write()).await?;
        if gone.rows_affected == 0 {
            return Err(LedgerError::NotFound { kind, id: name.to_owned() });
        }
        Ok(())
    }
}
