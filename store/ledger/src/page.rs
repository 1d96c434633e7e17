//! Cursor paging as the OpenAI API has it, stable under inserts because it goes by (created_at, id).

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Select};

use crate::{LedgerError, ids};

/// Items of a page when the client names no limit (OpenAI API reference, "list" calls).
const DEFAULT_LIMIT: u64 = 20;
/// The most that one call returns: OpenAI's own cap for listing files.
const LARGEST_LIMIT: u64 = 10_000;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this id in the order asked for.
    pub after: Option<String>,
    /// Only what comes before this id; alone it gives the page that ends right before it.
    pub before: Option<String>,
    /// How many items, 1 to 10,000.
    pub limit: u64,
    /// The order.
    pub order: Order,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, before: None, limit: DEFAULT_LIMIT, order: Order::default() }
    }
}

impl Page {
    /// Refuses limits that no list serves.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        if (1..=LARGEST_LIMIT).contains(&self.limit) {
            return Ok(());
        }
        Err(LedgerError::Invalid(format!("`limit` must be between 1 and {LARGEST_LIMIT}")))
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct PageOf<T> {
    /// The items, in the order asked for.
    pub data: Vec<T>,
    /// The cursor of the first item.
    pub first_id: Option<String>,
    /// The cursor of the last item: the next page's `after`.
    pub last_id: Option<String>,
    /// Whether the list goes on: behind the last item, or in front of the first when only `before` was given.
    pub has_more: bool,
}

impl<T> PageOf<T> {
    /// Cuts the one row that was fetched beyond the page, and notes the cursors.
    pub(crate) fn cut(mut rows: Vec<T>, page: &Page, id: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        if has_more && page.backwards() {
            rows.remove(0);
        }
        rows.truncate(limit);
        let (first_id, last_id) = (rows.first().map(&id), rows.last().map(&id));
        Self { data: rows, first_id, last_id, has_more }
    }
}

impl Page {
    /// Whether the page is counted from its end.
    pub(crate) fn backwards(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// A table that clients can page through.
pub(crate) trait Listed: EntityTrait {
    /// When the row was made.
    const CREATED: Self::Column;
    /// The id that cursors name, unique within what is listed.
    const ID: Self::Column;
    /// Both values of a row.
    fn place(row: &Self::Model) -> (i64, String);
}

/// Reads a page of `scope`, of the rows that `wanted` keeps. A cursor may name any row of `scope`, also
/// one that `wanted` hides because it was deleted in between.
pub(crate) async fn read<E, C>(
    db: &C,
    scope: Select<E>,
    wanted: Condition,
    page: &Page,
) -> Result<PageOf<E::Model>, LedgerError>
where
    E: Listed,
    E::Model: Sync + Send,
    C: ConnectionTrait,
{
    page.check()?;
    let mut cursor = scope.clone().filter(wanted).cursor_by((E::CREATED, E::ID));
    if page.order == Order::Desc {
        cursor.desc();
    }
    if let Some(after) = &page.after {
        cursor.after(place(db, scope.clone(), after).await?);
    }
    if let Some(before) = &page.before {
        cursor.before(place(db, scope, before).await?);
    }
    let fetched = page.limit.saturating_add(1);
    let rows = if page.backwards() { cursor.last(fetched) } else { cursor.first(fetched) }.all(db).await?;
    Ok(PageOf::cut(rows, page, |row| E::place(row).1))
}

/// Where a cursor stands. The row may be gone for good since the last page was read: an id still tells
/// when it was made, so that a client can go on.
async fn place<E, C>(db: &C, scope: Select<E>, id: &str) -> Result<(i64, String), LedgerError>
where
    E: Listed,
    E::Model: Sync + Send,
    C: ConnectionTrait,
{
    if let Some(row) = scope.filter(E::ID.eq(id)).one(db).await? {
        return Ok(E::place(&row));
    }
    let made = ids::made_at(id);
    made.map(|made| (made, id.to_owned())).ok_or_else(|| LedgerError::Invalid(format!("no item `{id}` to page from")))
}
