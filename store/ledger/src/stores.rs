//! Vector stores: the knowledge bases. Deleting one is in `removal.rs`.

use std::collections::BTreeMap;

use kubemate_identity::TenantId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QuerySelect, Select,
    sea_query::{Alias, Expr},
};

use crate::{
    DocumentStatus, Json, Ledger, LedgerError, Owned, Page, PageOf, StoreRow,
    entity::{
        document,
        store::{ActiveModel, Column, Entity},
    },
    ids::new_id,
    page,
};

/// Seconds of a day, the unit of `expires_after`.
const DAY: i64 = 86_400;
/// `last_active_at` is written at most this often (seconds): a search must not cost a write each time.
const ACTIVITY_GRAIN: i64 = 60;

/// What a new vector store is made of.
#[derive(Debug, Clone)]
pub struct NewStore {
    /// Chosen name, may be empty.
    pub name: String,
    /// Chosen description.
    pub description: Option<String>,
    /// The client's own key-value pairs.
    pub metadata: Json,
    /// How documents are cut when they do not say it themselves.
    pub chunking: Json,
    /// Identity of the embedder, fixed for the store's life.
    pub embedder: String,
    /// OpenAI's `expires_after`.
    pub expires_after: Option<Json>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct StoreUpdate {
    /// New name.
    pub name: Option<String>,
    /// New key-value pairs.
    pub metadata: Option<Json>,
    /// New expiry; `Some(None)` takes it away.
    pub expires_after: Option<Option<Json>>,
}

/// How the documents of a store or a batch stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileCounts {
    /// Waiting or being indexed.
    pub in_progress: i64,
    /// Searchable.
    pub completed: i64,
    /// Given up.
    pub failed: i64,
    /// Called off.
    pub cancelled: i64,
    /// All of them.
    pub total: i64,
    /// Bytes their passages take.
    pub usage_bytes: i64,
}

impl Ledger {
    /// Makes an empty vector store.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for an `expires_after` without whole days.
    pub async fn create_store(
        &self,
        tenant: &TenantId,
        new: NewStore,
        now: i64,
    ) -> Result<Owned<StoreRow>, LedgerError> {
        let row = StoreRow {
            tenant: tenant.to_string(),
            id: new_id("vs_"),
            name: new.name,
            description: new.description,
            metadata: new.metadata,
            chunking: new.chunking,
            embedder: new.embedder,
            expires_at: expiry(new.expires_after.as_ref(), now)?,
            expires_after: new.expires_after,
            created_at: now,
            last_active_at: now,
            revision: 0,
            last_version: 0,
            deleted_at: None,
        };
        Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(self.write()).await?;
        Ok(Owned::new(tenant, row))
    }

    /// The vector store of that id.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn store(&self, tenant: &TenantId, id: &str) -> Result<Owned<StoreRow>, LedgerError> {
        find(self.read(), tenant, id).await
    }

    /// A page of the tenant's vector stores.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a limit or cursor that cannot be.
    pub async fn stores(&self, tenant: &TenantId, page: &Page) -> Result<PageOf<StoreRow>, LedgerError> {
        page::read(self.read(), of(tenant), Condition::all().add(Column::DeletedAt.is_null()), page).await
    }

    /// Changes a vector store. The expiry of one that has expired stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::Invalid`] for an `expires_after` without whole days.
    pub async fn update_store(
        &self,
        tenant: &TenantId,
        id: &str,
        update: StoreUpdate,
        now: i64,
    ) -> Result<Owned<StoreRow>, LedgerError> {
        let txn = self.begin().await?;
        let mut row = lock(&txn, tenant, id).await?;
        row.name = update.name.unwrap_or(row.name);
        row.metadata = update.metadata.unwrap_or(row.metadata);
        if !row.is_expired(now) {
            row.expires_after = update.expires_after.unwrap_or(row.expires_after);
            row.last_active_at = now;
            row.expires_at = expiry(row.expires_after.as_ref(), now)?;
        }
        let changed = ActiveModel::from(row.clone()).reset_all();
        Entity::update(changed).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Owned::new(tenant, row))
    }

    /// Notes that the store was used, which puts its expiry off unless that was before. To the minute, so that it is
    /// cheap.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn touch_store(&self, tenant: &TenantId, id: &str, now: i64) -> Result<(), LedgerError> {
        let row = self.store(tenant, id).await?;
        if row.is_expired(now) || row.last_active_at > now.saturating_sub(ACTIVITY_GRAIN) {
            return Ok(());
        }
        let expires_at = expiry(row.expires_after.as_ref(), now)?;
        one(tenant, id)
            .col_expr(Column::LastActiveAt, Expr::value(now))
            .col_expr(Column::ExpiresAt, Expr::value(expires_at))
            .exec(self.write())
            .await?;
        Ok(())
    }

    /// How the documents of a store stand.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`].
    pub async fn counts(&self, tenant: &TenantId, store: &str) -> Result<FileCounts, LedgerError> {
        self.store(tenant, store).await?;
        let counts = self.counts_of(tenant, &[store.to_owned()]).await?;
        Ok(counts.get(store).copied().unwrap_or_default())
    }

    /// How the documents of several stores stand, in one query. Empty and foreign stores are left out.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub async fn counts_of(
        &self,
        tenant: &TenantId,
        stores: &[String],
    ) -> Result<BTreeMap<String, FileCounts>, LedgerError> {
        let wanted = Condition::all().add(document::Column::Store.is_in(stores));
        tally(self.read(), tenant, document::Column::Store, wanted).await
    }
}

#[derive(FromQueryResult)]
struct Tally {
    name: String,
    status: DocumentStatus,
    count: i64,
    bytes: i64,
}

/// Counts the tenant's live documents by `group` and status.
pub(crate) async fn tally<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    group: document::Column,
    wanted: Condition,
) -> Result<BTreeMap<String, FileCounts>, LedgerError> {
    // PostgreSQL's sum of bigints is a numeric: cast, so that both databases answer with an integer.
    let bytes = Expr::col(document::Column::UsageBytes).sum().cast_as(Alias::new("bigint"));
    let rows = document::Entity::find()
        .select_only()
        .column_as(group, "name")
        .column(document::Column::Status)
        .column_as(document::Column::File.count(), "count")
        .column_as(bytes, "bytes")
        .filter(document::Column::Tenant.eq(tenant.as_str()))
        .filter(document::Column::DeletedAt.is_null())
        .filter(wanted)
        .group_by(group)
        .group_by(document::Column::Status);
    let mut counts: BTreeMap<String, FileCounts> = BTreeMap::new();
    for row in rows.into_model::<Tally>().all(db).await? {
        counts.entry(row.name.clone()).or_default().add(&row);
    }
    Ok(counts)
}

impl FileCounts {
    fn add(&mut self, tally: &Tally) {
        let field = match tally.status {
            DocumentStatus::InProgress => &mut self.in_progress,
            DocumentStatus::Completed => &mut self.completed,
            DocumentStatus::Failed => &mut self.failed,
            DocumentStatus::Cancelled => &mut self.cancelled,
        };
        *field += tally.count;
        self.total += tally.count;
        self.usage_bytes += tally.bytes;
    }
}

/// When a store last used at `now` expires.
fn expiry(after: Option<&Json>, now: i64) -> Result<Option<i64>, LedgerError> {
    let Some(after) = after else { return Ok(None) };
    let days = after.get("days").and_then(Json::as_i64).filter(|days| (1..=36_500).contains(days));
    let days =
        days.ok_or_else(|| LedgerError::Invalid("`expires_after.days` must be a whole number of days".into()))?;
    Ok(Some(now.saturating_add(days.saturating_mul(DAY))))
}

/// All stores of the tenant, deleted ones included.
pub(crate) fn of(tenant: &TenantId) -> Select<Entity> {
    Entity::find().filter(Column::Tenant.eq(tenant.as_str()))
}

/// An update of one live store.
pub(crate) fn one(tenant: &TenantId, id: &str) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Tenant.eq(tenant.as_str()))
        .filter(Column::Id.eq(id))
        .filter(Column::DeletedAt.is_null())
}

/// The live store of that id.
pub(crate) async fn find<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    id: &str,
) -> Result<Owned<StoreRow>, LedgerError> {
    let row = of(tenant).filter(Column::Id.eq(id)).filter(Column::DeletedAt.is_null()).one(db).await?;
    row.map(|row| Owned::new(tenant, row)).ok_or_else(|| LedgerError::not_found("vector store", id))
}

/// The live store of that id, held against changes until the transaction ends. Everything that changes a
/// store's documents takes this first: store, then job, then document, so that no two wait for each other.
pub(crate) async fn lock<C: ConnectionTrait>(db: &C, tenant: &TenantId, id: &str) -> Result<StoreRow, LedgerError> {
    let row = of(tenant).filter(Column::Id.eq(id)).filter(Column::DeletedAt.is_null()).lock_exclusive();
    row.one(db).await?.ok_or_else(|| LedgerError::not_found("vector store", id))
}

/// As [`lock`], also for a store that is deleted or gone: then there is nothing to hold against.
pub(crate) async fn hold<C: ConnectionTrait>(db: &C, tenant: &TenantId, id: &str) -> Result<(), LedgerError> {
    of(tenant).filter(Column::Id.eq(id)).lock_exclusive().one(db).await?;
    Ok(())
}

/// As [`lock`], for what puts documents into the store: an expired one takes none.
pub(crate) async fn lock_open<C: ConnectionTrait>(
    db: &C,
    tenant: &TenantId,
    id: &str,
    now: i64,
) -> Result<StoreRow, LedgerError> {
    let row = lock(db, tenant, id).await?;
    if row.is_expired(now) {
        return Err(LedgerError::Invalid(format!("vector store `{id}` has expired; make a new one with its files")));
    }
    Ok(row)
}

/// Tells search caches that the store's searchable documents changed.
pub(crate) async fn bump<C: ConnectionTrait>(db: &C, tenant: &TenantId, id: &str) -> Result<(), LedgerError> {
    let revision = Expr::col(Column::Revision).add(1_i64);
    one(tenant, id).col_expr(Column::Revision, revision).exec(db).await?;
    Ok(())
}

/// Reserves `count` document versions and gives the first. The store must be locked.
pub(crate) async fn reserve<C: ConnectionTrait>(db: &C, store: &StoreRow, count: i64) -> Result<i64, LedgerError> {
    let last = store.last_version.saturating_add(count);
    Entity::update_many()
        .filter(Column::Tenant.eq(&store.tenant))
        .filter(Column::Id.eq(&store.id))
        .col_expr(Column::LastVersion, Expr::value(last))
        .exec(db)
        .await?;
    Ok(store.last_version.saturating_add(1))
}
