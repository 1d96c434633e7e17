//! Saved assistants by the name that clients ask for.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

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

/// A name and the time it was saved at, in Unix seconds.
type Saved = (String, i64);

/// When it was read, and what stood there.
type List = (Instant, Arc<[Saved]>);

/// How long a list is believed: what another process saved shows up within this time.
const BELIEVED: Duration = Duration::from_secs(3);
/// Tenants remembered at once; more of them clear the table.
const REMEMBERED: usize = 10_000;

/// The names of each tenant's assistants, so that a list of models asks no ledger.
#[derive(Debug, Default)]
pub(crate) struct SavedNames {
    known: RwLock<HashMap<TenantId, List>>,
    /// Counts changes made here: what was read before one is not kept after it.
    changes: AtomicU64,
}

impl SavedNames {
    /// Every name of `tenant`. A ledger that does not answer leaves the last list standing.
    ///
    /// # Errors
    /// The ledger's, when there is no last list.
    pub(crate) async fn of(&self, ledger: &Ledger, tenant: &TenantId) -> Result<Arc<[Saved]>, LedgerError> {
        let last = self.known.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        match last {
            Some((asked, names)) if asked.elapsed() < BELIEVED => Ok(names),
            Some((_, names)) => Ok(self.read(ledger, tenant).await.unwrap_or(names)),
            None => self.read(ledger, tenant).await,
        }
    }

    async fn read(&self, ledger: &Ledger, tenant: &TenantId) -> Result<Arc<[Saved]>, LedgerError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let page = Page { limit: LISTED, ..Page::default() };
        let rows = ledger.assistants(tenant, &page).await?;
        let names: Arc<[Saved]> = rows.data.into_iter().map(|row| (row.name, row.created_at)).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::SeqCst) == changes {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(tenant.clone(), (Instant::now(), names.clone()));
        }
        Ok(names)
    }

    /// Forgets what was read of `tenant`, after one of its assistants was changed here.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

#[cfg(test)]
mod tests {
    use kubemate_ledger::NewAssistant;

    use super::*;

    async fn save(ledger: &Ledger, tenant: &TenantId, name: &str) {
        let new = NewAssistant {
            name: name.to_owned(),
            model: "m".to_owned(),
            instructions: String::new(),
            store_ids: Vec::new(),
            settings: serde_json::json!({}),
        };
        ledger.create_assistant(tenant, new, 1).await.unwrap();
    }

    #[tokio::test]
    async fn a_list_stands_until_something_changes_here() {
        let ledger = Ledger::in_memory().await.unwrap();
        let (one, other) = (TenantId::parse("one").unwrap(), TenantId::parse("other").unwrap());
        for tenant in [&one, &other] {
            ledger.ensure_tenant(tenant, 0).await.unwrap();
        }
        let names = SavedNames::default();
        save(&ledger, &one, "first").await;
        assert_eq!(names.of(&ledger, &one).await.unwrap().as_ref(), [("first".to_owned(), 1)]);
        save(&ledger, &one, "second").await;
        assert_eq!(names.of(&ledger, &one).await.unwrap().len(), 1, "the ledger is not asked again");
        assert!(names.of(&ledger, &other).await.unwrap().is_empty(), "a tenant sees its own names");
        names.forget(&one);
        assert_eq!(names.of(&ledger, &one).await.unwrap().len(), 2);
    }
}
