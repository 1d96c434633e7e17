//! API keys: stored as hashes, with rights that can only shrink from maker to child.

use std::str::FromStr;

use kubemate_identity::{Caller, KeyHash, KeyId, ProjectId, Rights, TenantId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::{
    Ledger, LedgerError,
    entity::{api_key, counter, project, tenant},
    error::taken,
    ids::new_id,
};

/// How many keys may stand above a key: its maker, that one's maker, and so on. Each is one more lookup when the key is first used.
const LONGEST_CHAIN: usize = 16;
/// The counter that changes with every change to any key.
const REVISION: &str = "keys";

/// What a new key is made of.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Chosen name.
    pub name: String,
    /// What it may do: a subset of the maker's rights.
    pub rights: Rights,
    /// Hash of the secret.
    pub hash: KeyHash,
    /// Start of the secret, for display.
    pub display: String,
    /// The key that makes it. `None`: the instance's admin key, which has every right.
    pub maker: Option<KeyId>,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// `key_…`.
    pub id: KeyId,
    /// The tenant it acts for.
    pub tenant: TenantId,
    /// The project its usage is booked on.
    pub project: ProjectId,
    /// Chosen name.
    pub name: String,
    /// Start of the secret, such as `km-abcd…`.
    pub display: String,
    /// Its own rights. What is left of them under its makers is in [`ActiveKey`].
    pub rights: Rights,
    /// The key that made it.
    pub maker: Option<KeyId>,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it was revoked, Unix seconds.
    pub revoked_at: Option<i64>,
}

/// A key that opens the door: neither it nor any of its makers is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveKey {
    /// The key.
    pub row: KeyRow,
    /// Its rights, narrowed to those of every maker above it; expiry included, which the caller checks.
    pub rights: Rights,
}

impl ActiveKey {
    /// The caller this key speaks for.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let KeyRow { tenant, project, id, .. } = self.row.clone();
        Caller { tenant, project, key: id, rights: self.rights.clone() }
    }
}

impl Ledger {
    /// Stores a new key, after checking in the same transaction that its maker still holds what it gives.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] for the tenant, the project or the maker (also when that is revoked),
    /// [`LedgerError::Invalid`] when the rights go beyond the maker's.
    pub async fn create_key(
        &self,
        tenant: &TenantId,
        project: &ProjectId,
        new: NewKey,
        now: i64,
    ) -> Result<KeyRow, LedgerError> {
        let txn = self.begin().await?;
        let live = tenant::Entity::find().filter(tenant::Column::Id.eq(tenant.as_str()));
        let live = live.filter(tenant::Column::DeletedAt.is_null()).lock_shared().one(&txn).await?;
        live.ok_or_else(|| LedgerError::not_found("tenant", tenant.as_str()))?;
        let own = project::Entity::find().filter(project::Column::Tenant.eq(tenant.as_str()));
        let found = own.filter(project::Column::Id.eq(project.as_str())).one(&txn).await?;
        found.ok_or_else(|| LedgerError::not_found("project", project.as_str()))?;
        if let Some(maker) = &new.maker {
            let above = active(&txn, by_id(maker), LONGEST_CHAIN).await?;
            let above = above.ok_or_else(|| LedgerError::not_found("key", maker.as_str()))?;
            new.rights.is_subset_of(&above.rights).map_err(|why| LedgerError::Invalid(why.to_string()))?;
        }
        let row = stored(tenant, project, &new, now)?;
        let insert = api_key::Entity::insert(api_key::ActiveModel::from(row.clone()));
        let inserted = insert.exec_without_returning(&txn).await;
        inserted.map_err(|cause| taken(cause, || "the key exists".to_owned()))?;
        bump(&txn).await?;
        txn.commit().await?;
        row.try_into()
    }

    /// The tenant's keys, revoked ones included, oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRow>, LedgerError> {
        let own = api_key::Entity::find().filter(api_key::Column::Tenant.eq(tenant.as_str()));
        let rows = own.order_by_asc(api_key::Column::CreatedAt).order_by_asc(api_key::Column::Id);
        rows.all(self.read()).await?.into_iter().map(KeyRow::try_from).collect()
    }

    /// Takes a key's rights away for ever, and with them those of every key it made. Revoking twice
    /// keeps the first time.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn revoke_key(&self, tenant: &TenantId, key: &KeyId, now: i64) -> Result<(), LedgerError> {
        let txn = self.begin().await?;
        let row = own(&txn, tenant, key).await?;
        let update = api_key::Entity::update_many().filter(api_key::Column::Id.eq(row.id));
        let update = update.filter(api_key::Column::RevokedAt.is_null());
        update.col_expr(api_key::Column::RevokedAt, Expr::value(now)).exec(&txn).await?;
        bump(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// Leaves a key fewer rights. The keys it made lose them too, when they are used.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or [`LedgerError::Invalid`] when `rights` go beyond what the key has now.
    pub async fn narrow_key(&self, tenant: &TenantId, key: &KeyId, rights: &Rights) -> Result<KeyRow, LedgerError> {
        let txn = self.begin().await?;
        let mut row = KeyRow::try_from(own(&txn, tenant, key).await?)?;
        rights.is_subset_of(&row.rights).map_err(|why| LedgerError::Invalid(why.to_string()))?;
        let json = serde_json::to_value(rights).map_err(LedgerError::store)?;
        let update = api_key::Entity::update_many().filter(api_key::Column::Id.eq(key.as_str()));
        update.col_expr(api_key::Column::Rights, Expr::value(json)).exec(&txn).await?;
        bump(&txn).await?;
        txn.commit().await?;
        row.rights = rights.clone();
        Ok(row)
    }

    /// The one lookup without a tenant: whom a presented key speaks for. `None` for an unknown key and for
    /// one that is revoked or whose maker is. Expiry is left to the caller, who has the clock.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn find_key_by_hash(&self, hash: &KeyHash) -> Result<Option<ActiveKey>, LedgerError> {
        active(self.read(), api_key::Column::Hash.eq(hash.to_hex()), LONGEST_CHAIN + 1).await
    }

    /// Changes whenever any key is made, narrowed or revoked by any process: what caches of keys compare
    /// before they trust what they remember.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn keys_revision(&self) -> Result<i64, LedgerError> {
        let row = counter::Entity::find().filter(counter::Column::Name.eq(REVISION)).one(self.read()).await?;
        Ok(row.map_or(0, |row| row.value))
    }
}

/// Finds a key and walks up to its first maker, narrowing its rights on the way. At most `keys` keys are
/// looked at, the found one included.
async fn active<C: ConnectionTrait>(db: &C, which: Expr, keys: usize) -> Result<Option<ActiveKey>, LedgerError> {
    let Some(row) = live(db, which).await? else { return Ok(None) };
    let mut rights = row.rights.clone();
    let mut maker = row.maker.clone();
    for _ in 0..keys {
        let Some(id) = maker else { return Ok(Some(ActiveKey { row, rights })) };
        let Some(above) = live(db, by_id(&id)).await? else { return Ok(None) };
        rights = rights.narrowed_to(&above.rights);
        maker = above.maker;
    }
    Err(LedgerError::Invalid(format!("key `{}` has too many makers above it to make another", row.id)))
}

async fn live<C: ConnectionTrait>(db: &C, which: Expr) -> Result<Option<KeyRow>, LedgerError> {
    let unrevoked = api_key::Entity::find().filter(api_key::Column::RevokedAt.is_null());
    unrevoked.filter(which).one(db).await?.map(KeyRow::try_from).transpose()
}

fn by_id(key: &KeyId) -> Expr {
    api_key::Column::Id.eq(key.as_str())
}

/// The tenant's key, held until the transaction ends: of two that narrow it at once, the second sees what the first left.
async fn own<C: ConnectionTrait>(db: &C, tenant: &TenantId, key: &KeyId) -> Result<api_key::Model, LedgerError> {
    let own = api_key::Entity::find().filter(api_key::Column::Tenant.eq(tenant.as_str()));
    let row = own.filter(by_id(key)).lock_exclusive().one(db).await?;
    row.ok_or_else(|| LedgerError::not_found("key", key.as_str()))
}

/// Revokes every key of a tenant.
pub(crate) async fn revoke_all<C: ConnectionTrait>(db: &C, tenant: &TenantId, now: i64) -> Result<(), LedgerError> {
    let update = api_key::Entity::update_many().filter(api_key::Column::Tenant.eq(tenant.as_str()));
    let update = update.filter(api_key::Column::RevokedAt.is_null());
    update.col_expr(api_key::Column::RevokedAt, Expr::value(now)).exec(db).await?;
    bump(db).await
}

async fn bump<C: ConnectionTrait>(db: &C) -> Result<(), LedgerError> {
    let update = counter::Entity::update_many().filter(counter::Column::Name.eq(REVISION));
    update.col_expr(counter::Column::Value, Expr::col(counter::Column::Value).add(1_i64)).exec(db).await?;
    Ok(())
}

fn stored(tenant: &TenantId, project: &ProjectId, new: &NewKey, now: i64) -> Result<api_key::Model, LedgerError> {
    Ok(api_key::Model {
        id: new_id("key_"),
        tenant: tenant.to_string(),
        project: project.to_string(),
        name: new.name.clone(),
        hash: new.hash.to_hex(),
        display: new.display.clone(),
        rights: serde_json::to_value(&new.rights).map_err(LedgerError::store)?,
        maker: new.maker.as_ref().map(KeyId::to_string),
        created_at: now,
        revoked_at: None,
    })
}

impl TryFrom<api_key::Model> for KeyRow {
    type Error = LedgerError;
    /// A row that does not parse opens no door.
    fn try_from(row: api_key::Model) -> Result<Self, LedgerError> {
        Ok(Self {
            id: KeyId::from_str(&row.id).map_err(LedgerError::store)?,
            tenant: TenantId::from_str(&row.tenant).map_err(LedgerError::store)?,
            project: ProjectId::from_str(&row.project).map_err(LedgerError::store)?,
            name: row.name,
            display: row.display,
            rights: serde_json::from_value(row.rights).map_err(LedgerError::store)?,
            maker: row.maker.as_deref().map(KeyId::from_str).transpose().map_err(LedgerError::store)?,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}
