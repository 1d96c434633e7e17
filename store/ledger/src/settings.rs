//! Data of the instance, by name: the admin key's hash, retention times.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};

use crate::{
    Ledger, LedgerError,
    entity::setting::{ActiveModel, Column, Entity, Model},
};

impl Ledger {
    /// The setting of that name.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn get_setting(&self, name: &str) -> Result<Option<String>, LedgerError> {
        let row = Entity::find().filter(Column::Name.eq(name)).one(self.read()).await?;
        Ok(row.map(|row| row.value))
    }

    /// Writes a setting, whatever it was before.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn put_setting(&self, name: &str, value: &str, now: i64) -> Result<(), LedgerError> {
        let mut replace = OnConflict::column(Column::Name);
        replace.update_columns([Column::Value, Column::UpdatedAt]);
        Entity::insert(row(name, value, now)).on_conflict(replace).exec_without_returning(self.write()).await?;
        Ok(())
    }

    /// Writes a setting unless there is one, and gives what counts from now on: two processes that start at
    /// the same time agree on one admin key.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn setting_or_put(&self, name: &str, value: &str, now: i64) -> Result<String, LedgerError> {
        let insert = Entity::insert(row(name, value, now)).on_conflict_do_nothing_on([Column::Name]);
        insert.exec_without_returning(self.write()).await?;
        Ok(self.get_setting(name).await?.unwrap_or_else(|| value.to_owned()))
    }
}

fn row(name: &str, value: &str, now: i64) -> ActiveModel {
    Model { name: name.to_owned(), value: value.to_owned(), updated_at: now }.into()
}
