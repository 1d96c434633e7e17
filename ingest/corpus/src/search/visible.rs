//! Which versions search may return, remembered for as long as nothing changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kubemate_identity::TenantId;
use kubemate_vectors::Passage;

use crate::{Corpus, CorpusError};

/// Knowledge bases remembered at once; a file id and a number for each document, so tens of megabytes at the very most.
const REMEMBERED: usize = 256;

/// The searchable version of each file of one knowledge base.
type Versions = Arc<HashMap<String, i64>>;

/// What the ledger said last, with the revision that vouches for it.
#[derive(Debug, Default)]
pub(crate) struct SearchableCache {
    stores: Mutex<HashMap<(TenantId, String), (i64, Versions)>>,
}

/// What may leave a search.
#[derive(Debug, Default)]
pub(super) struct Visible {
    versions: HashMap<String, Versions>,
}

impl Visible {
    /// Whether this passage of this knowledge base is the tenant's and complete.
    pub(super) fn shows(&self, store: &str, passage: &Passage) -> bool {
        let version = self.versions.get(store).and_then(|versions| versions.get(&passage.file));
        version == Some(&passage.version)
    }
}

impl SearchableCache {
    fn get(&self, tenant: &TenantId, store: &str, revision: i64) -> Option<Versions> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, versions) = stores.get(&(tenant.clone(), store.to_owned()))?;
        (*known == revision).then(|| Arc::clone(versions))
    }

    fn put(&self, tenant: &TenantId, store: &str, revision: i64, versions: Versions) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if stores.len() >= REMEMBERED {
            stores.clear();
        }
        stores.insert((tenant.clone(), store.to_owned()), (revision, versions));
    }
}

impl Corpus {
    /// What is searchable now. One small query when nothing changed since the last search.
    pub(super) async fn visible(&self, tenant: &TenantId, stores: &[String]) -> Result<Visible, CorpusError> {
        let revisions = self.parts.ledger.revisions(tenant, stores).await?;
        let mut visible = Visible::default();
        for (store, revision) in revisions {
            let versions = match self.searchable.get(tenant, &store, revision) {
                Some(versions) => versions,
                None => self.read_visible(tenant, &store, revision).await?,
            };
            visible.versions.insert(store, versions);
        }
        Ok(visible)
    }

    async fn read_visible(&self, tenant: &TenantId, store: &str, revision: i64) -> Result<Versions, CorpusError> {
        let rows = self.parts.ledger.searchable(tenant, &[store.to_owned()]).await?;
        let versions: Versions = Arc::new(rows.into_iter().map(|((_, file), version)| (file, version)).collect());
        self.searchable.put(tenant, store, revision, Arc::clone(&versions));
        Ok(versions)
    }
}
