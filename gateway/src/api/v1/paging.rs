//! Cursors of lists, from the query string to the ledger.

use kubemate_ledger::{Order, Page};
use kubemate_wire::page::{self, ListQuery};

use crate::api::ApiError;

/// The page that `query` asks for.
///
/// # Errors
/// `Invalid` when `limit` is 0 or above `most`.
pub(crate) fn page(query: &ListQuery, usual: u32, most: u32) -> Result<Page, ApiError> {
    let limit = query.limit.unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(ApiError::invalid("limit", format!("`limit` must be between 1 and {most}")));
    }
    Ok(Page {
        after: query.after.clone(),
        before: query.before.clone(),
        limit: u64::from(limit),
        order: match query.order.unwrap_or_default() {
            page::Order::Asc => Order::Asc,
            page::Order::Desc => Order::Desc,
        },
    })
}
