//! Saved assistants by the name that clients ask for.

use kubemate_identity::TenantId;
use kubemate_ledger::{AssistantRow, Ledger, LedgerError, Page};

/// Assistants listed beside the models of a tenant.
const LISTED: u64 = 1000;

/// The assistant that `name` stands for in this tenant, if there is one.
///
/// # Errors
/// The ledger's, other than that there is none.
pub(crate) async fn named(ledger: &Ledger, tenant: &TenantId, name: &str) -> Result<Option<AssistantRow>, LedgerError> {
    match ledger.assistant_named(tenant, name).await {
        Ok(row) => Ok(Some(row.into_inner())),
        Err(LedgerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every name with the time it was saved at.
///
/// # Errors
/// The ledger's.
pub(crate) async fn names(ledger: &Ledger, tenant: &TenantId) -> Result<Vec<(String, i64)>, LedgerError> {
    let page = Page { limit: LISTED, ..Page::default() };
    let rows = ledger.assistants(tenant, &page).await?;
    Ok(rows.data.into_iter().map(|row| (row.name, row.created_at)).collect())
}
